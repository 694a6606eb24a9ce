// The kernel's firewall: its table by libnftables (libnftables(3)), its elements by netlink.
internal import CNftables
internal import Glibc
internal import Sys

/// The kernel's firewall of this network namespace.
///
/// Elements do not go through libnftables, which reads every set of ranges of every table again
/// before each command. One ban beside a block list of 100,000 networks would take more than a
/// second.
///
/// The sockets are made in this very process: one that root opened and handed over would be refused
/// after the change of user.
@safe
final class Nftables: Firewall {
    private let context: OpaquePointer?
    private let netlink: NetlinkSocket?
    private let flows = FlowEnder()
    private let whyNot: String
    let table: String

    /// Opens the firewall, to use the table of this name; when that fails, each wish says why.
    init(table: String) {
        self.table = table
        do {
            netlink = try NetlinkSocket()
        } catch {
            netlink = nil
            // libnftables ends the process when it gets no netlink socket, so it is not even tried.
            unsafe context = nil
            whyNot = "\(error)"
            return
        }
        unsafe context = unsafe nft_ctx_new(UInt32(NFT_CTX_DEFAULT))
        whyNot = "libnftables has no memory"
        _ = unsafe nft_ctx_buffer_output(context)
        _ = unsafe nft_ctx_buffer_error(context)
    }

    deinit { unsafe nft_ctx_free(context) }

    func run(_ commands: String) -> String? {
        guard let context = unsafe context else { return whyNot }
        let result = unsafe nft_run_cmd_from_buffer(context, commands)
        // Reading empties the buffers.
        _ = unsafe nft_ctx_get_output_buffer(context)
        let words = unsafe nft_ctx_get_error_buffer(context).map { unsafe String(cString: $0) }
        guard result != 0 else { return nil }
        // The first line says what failed; the others repeat the commands.
        let line = words?.split(separator: "\n").first.map(String.init) ?? ""
        return line.isEmpty ? "libnftables failed without a word" : line
    }

    func change(_ steps: [ElementChange]) -> String? {
        guard let netlink else { return whyNot }
        guard !steps.isEmpty else { return nil }
        let batch = ElementFrames.transaction(steps, of: table) { netlink.nextSequence() }
        var failure: Int32 = 0
        do {
            try netlink.exchange(batch) { message in
                if let error = message.error, error != 0, failure == 0 { failure = error }
            }
        } catch {
            return "\(error)"
        }
        return failure == 0 ? nil : SystemError("nftables", code: failure).description
    }

    func generation() -> UInt32? {
        var generation: UInt32?
        ask(ElementFrames.getGeneration, family: 0, isDump: false) { message in
            guard message.type == ElementFrames.newGeneration else { return }
            // NFTA_GEN_ID
            generation = message.attributes.first(1).map {
                UInt32(truncatingIfNeeded: Netlink.number($0))
            }
        }
        return generation
    }

    func fingerprint() -> Int? {
        var hasher = Hasher()
        var parts = 0
        for kind in ElementFrames.structure {
            ask(kind.get, isDump: true, body: { $0.name(1, table) }) { message in
                guard message.type == kind.new, isOurs(message, kind.tableAttribute) else {
                    return
                }
                parts += 1
                for (type, value) in message.attributes where kind.telling.contains(type) {
                    hasher.combine(type)
                    hasher.combine(Array(value))
                }
            }
        }
        guard parts > 0 else { return nil }
        for set in [KernelSet.outside4, .outside6, .own4, .own6] {
            dump(set) { hasher.combine($0) }
        }
        return hasher.finalize()
    }

    func digest(_ set: KernelSet) -> Int? {
        var digest = 0
        let isThere = dump(set) { element in
            guard let key = ElementFrames.key(of: element), let address = Netlink.address(key)
            else { return }
            digest &+= AddressRange.digest(address, isEnd: ElementFrames.isEnd(element))
        }
        return isThere ? digest : nil
    }

    private func isOurs(_ message: NetlinkMessage, _ attribute: UInt16) -> Bool {
        guard message.body.first == ElementFrames.inet,
            let name = message.attributes.first(attribute)
        else { return false }
        return name.dropLast().elementsEqual(table.utf8)
    }

    func elements(_ set: KernelSet) -> [IPAddress: Milliseconds]? {
        var found: [IPAddress: Milliseconds] = [:]
        let isThere = dump(set) { element in
            guard let key = ElementFrames.key(of: element), let address = Netlink.address(key)
            else { return }
            // NFTA_SET_ELEM_EXPIRATION
            let left = NetlinkAttributes(element[...]).first(5).map(Netlink.number) ?? 0
            found[address] = Milliseconds(Int64(clamping: left))
        }
        return isThere ? found : nil
    }

    /// Hands over the attributes of each element of a set; false when there is no such set.
    @discardableResult
    private func dump(_ set: KernelSet, _ take: ([UInt8]) -> Void) -> Bool {
        var isThere = true
        let isAnswered = ask(
            ElementFrames.getElement, isDump: true,
            body: { ElementFrames.name(set, of: table, in: &$0) }
        ) { message in
            if let error = message.error, error != 0 { isThere = false }
            guard message.type == ElementFrames.newElement,
                let list = message.attributes.first(ElementFrames.list)
            else { return }
            for (_, element) in NetlinkAttributes(list) { take(Array(element)) }
        }
        return isThere && isAnswered
    }

    @discardableResult
    private func ask(
        _ type: UInt16, family: UInt8 = ElementFrames.inet, isDump: Bool,
        body: (inout NetlinkWriter) -> Void = { _ in }, _ take: (NetlinkMessage) -> Void
    ) -> Bool {
        guard let netlink else { return false }
        var writer = NetlinkWriter()
        writer.message(
            type, flags: isDump ? Netlink.dump : 0, sequence: netlink.nextSequence(),
            family: family, body)
        do {
            try netlink.exchange(writer.bytes, isDump: isDump, take)
            return true
        } catch {
            return false
        }
    }

    func endFlows(of sources: Set<Network>) {
        if netlink != nil { flows.end(sources) }
    }
}
