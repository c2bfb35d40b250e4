#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A file as an array of C: embed.py FILE HEADER NAME"""

import sys

source, header, name = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()
rows = (",".join(map(str, data[i:i + 24])) for i in range(0, len(data), 24))
with open(header, "w", encoding="ascii") as f:
    f.write(f"static const unsigned char {name}[] = {{\n" + ",\n".join(rows) + "};\n")
