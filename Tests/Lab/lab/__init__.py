"""The test lab: clients, edge and PBXs in network namespaces of their own, with real phones and real Asterisks."""
