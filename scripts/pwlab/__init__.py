# SPDX-License-Identifier: BSD-3-Clause
"""The laboratory: two namespaces, a pubwire between them, brokers behind it."""
