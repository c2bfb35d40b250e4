// SPDX-License-Identifier: BSD-3-Clause
// aedes as a broker of the lab: aedes_broker.js ADDRESS
'use strict';

const aedes = require('aedes')();
require('net').createServer(aedes.handle).listen(1883, process.argv[2]);
