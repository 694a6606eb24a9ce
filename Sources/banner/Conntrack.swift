// What the kernel remembers of flows (linux/netfilter/nfnetlink_conntrack.h).
internal import Glibc
internal import Messages
internal import Sys

/// Ends flows in the kernel's table of connections.
///
/// A banned source's packets are dropped before conntrack. Without its flows, what is still on its
/// way to it through an address translation or a stateful firewall ends too. A kernel without
/// conntrack answers with an error, and then there is nothing to end.
struct Conntrack {
    private let netlink: NetlinkSocket

    // NFNL_SUBSYS_CTNETLINK is 1: IPCTNL_MSG_CT_NEW, GET and DELETE.
    private static let new: UInt16 = 1 << 8
    private static let get: UInt16 = 1 << 8 | 1
    private static let delete: UInt16 = 1 << 8 | 2
    /// IPCTNL_MSG_CT_GET_STATS, and in its answer CTA_STATS_GLOBAL_ENTRIES.
    private static let getStatistics: UInt16 = 1 << 8 | 5
    private static let entries: UInt16 = 1
    /// CTA_TUPLE_ORIG, its CTA_TUPLE_IP, and there CTA_IP_V4_SRC and CTA_IP_V6_SRC.
    private static let original: UInt16 = 1
    private static let addresses: UInt16 = 1
    private static let sources: [UInt16] = [1, 3]
    /// CTA_ID, so that no younger flow is meant.
    private static let identity: UInt16 = 12

    /// Flows by a netlink socket.
    init(_ netlink: NetlinkSocket) { self.netlink = netlink }

    /// Ends the flows that began at these sources, sought by their own address and by their
    /// neighbourhood.
    func end(_ sources: Set<Network>) {
        guard !isEmpty else { return }
        let families = Set(sources.map { UInt8($0.address.isV4 ? AF_INET : AF_INET6) })
        for family in families {
            var endings: [UInt8] = []
            var request = NetlinkWriter()
            request.message(
                Self.get, flags: Netlink.dump, sequence: netlink.nextSequence(), family: family)
            try? netlink.exchange(request.bytes, isDump: true) { message in
                guard message.type == Self.new, let ending = ending(message, sources, family)
                else { return }
                endings += ending
            }
            if !endings.isEmpty { try? netlink.exchange(endings) { _ in } }
        }
    }

    /// Whether no flow is known in this network namespace; false when the kernel does not say.
    private var isEmpty: Bool {
        var isEmpty = false
        var request = NetlinkWriter()
        request.message(
            Self.getStatistics, flags: 0, sequence: netlink.nextSequence(), family: 0)
        try? netlink.exchange(request.bytes) { message in
            guard message.type == Self.getStatistics else { return }
            isEmpty = message.attributes.first(Self.entries).map(Netlink.number) == 0
        }
        return isEmpty
    }

    /// The message that ends the flow of another, if one of the sources began it.
    private func ending(
        _ message: NetlinkMessage, _ sources: Set<Network>, _ family: UInt8
    ) -> [UInt8]? {
        guard let tuple = message.attributes.first(Self.original),
            let ip = NetlinkAttributes(tuple).first(Self.addresses),
            let bytes = NetlinkAttributes(ip).first(where: { Self.sources.contains($0.type) }),
            let address = Netlink.address(bytes.value),
            sources.contains(.source(of: address))
                || sources.contains(.neighbourhood(of: address))
        else { return nil }
        var writer = NetlinkWriter()
        writer.message(
            Self.delete, flags: 0, sequence: netlink.nextSequence(), family: family
        ) { writer in
            writer.attribute(Self.original, nested: true) { $0.append(tuple) }
            if let identity = message.attributes.first(Self.identity) {
                writer.attribute(Self.identity) { $0.append(identity) }
            }
        }
        return writer.bytes
    }
}
