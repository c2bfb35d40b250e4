// SPDX-License-Identifier: BSD-3-Clause
// MQTT.js as a device: mqttjs_pub.js ADDRESS VERSION CLIENT COUNT TOPICS SIZES QOS (see kit.py)
'use strict';

const mqtt = require('mqtt');

const [address, version, name, countText, topicsText, sizesText, qosText] = process.argv.slice(2);
const count = Number(countText), topics = Number(topicsText);
const sizes = sizesText.split(',').map(Number), qos = qosText.split(',').map(Number);

function content(index, size) {
  const unit = Buffer.from(`${name}/${index};`);
  return Buffer.alloc(size, unit);
}

const client = mqtt.connect(`mqtt://${address}:1883`, {
  clientId: name, protocolVersion: Number(version), keepalive: 30, reconnectPeriod: 0,
});
client.on('error', (e) => { console.error(`mqttjs_pub: ${e.message}`); process.exit(1); });
client.once('close', () => { console.error('mqttjs_pub: closed by the peer'); process.exit(1); });

client.once('connect', async () => {
  const waiting = [];
  for (let i = 0; i < count; i++) {
    waiting.push(new Promise((resolve, reject) => client.publish(
      `lab/${name}/${i % topics}`, content(i, sizes[i % sizes.length]),
      { qos: qos[i % qos.length] }, (e) => (e ? reject(e) : resolve()))));
    if (waiting.length % 64 === 0) await Promise.all(waiting.splice(0));
  }
  try {
    await Promise.all(waiting);
  } catch (e) {
    console.error(`mqttjs_pub: ${e.message}`);
    process.exit(1);
  }
  client.removeAllListeners('close');
  client.end(false, {}, () => process.exit(0));
});
