# SPDX-License-Identifier: ISC
"""What every test with a network needs.

net   three network namespaces in a row: client, gateway, server
proc  processes inside them, and waiting with a deadline instead of sleeping

Only Python's standard library, iproute2 and nft are used.  Needs root.  Nothing
outside the namespaces made here is read or changed, apart from their names
below /run/netns.
"""
