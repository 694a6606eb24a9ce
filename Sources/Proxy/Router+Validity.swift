internal import Messages
internal import SIP
internal import SIPTransactions
internal import SIPWriting
internal import Sys

/// The checks that a request passes before anything is done for it (RFC 3261 section 16.3).
extension Router {
    /// Whether a request may go on; one that may not has been answered, unless it is an ACK.
    ///
    /// `endsHere` is for what the edge answers itself: the number of hops does not matter then, and what
    /// it requires is asked of us.
    mutating func isValid(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, endsHere: Bool
    ) -> Bool {
        if index.maxForwards == 0, !endsHere {
            refuse(bytes, index, flow, 483, "Too Many Hops", "max-forwards")
            return false
        }
        // RFC 3261 section 8.1.1.8: of two, two parsers could take different ones.
        if index.method != .register, hasSeveralContacts(bytes, index) {
            refuse(bytes, index, flow, 400, "Bad Request", "several-contacts")
            return false
        }
        guard index.method != .ack else { return true }
        if index.maxBreadth == 0, !endsHere {
            refuse(bytes, index, flow, 440, "Max-Breadth Exceeded", "max-breadth")
            return false
        }
        if hasLooped(bytes, index) {
            refuse(bytes, index, flow, 482, "Loop Detected", "loop")
            return false
        }
        if index.has(.proxyRequire) {
            refuseExtensions(bytes, index, flow, .proxyRequire)
            return false
        }
        if endsHere, requiresUnknown(bytes, index) {
            refuseExtensions(bytes, index, flow, .require)
            return false
        }
        return true
    }

    private func hasSeveralContacts(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        guard let first = index.position(.contact) else { return false }
        guard index.position(.contact, from: first + 1) == nil else { return true }
        var list = ValueList(index[first].value)
        _ = list.next(in: bytes)
        return list.next(in: bytes) != nil
    }

    // MARK: Loops

    /// Whether one of the Vias has the branch of a request that is under way, and the Request-URI is still
    /// the one that we sent it with.
    ///
    /// The branch's random number and the kept request take the place of a hash in the branch
    /// (RFC 5393 section 4.2): nobody can forge them, and they cost nothing until such a Via comes.
    private func hasLooped(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        if index.hops == 1 { return isSent(bytes, index, index.via) }
        var values = FieldValues(.via)
        while let value = values.next(bytes, index) {
            if let via = try? Via(value, in: bytes), isSent(bytes, index, via) { return true }
        }
        return false
    }

    private func isSent(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ via: Via) -> Bool {
        guard let handle = client(ofBranch: bytes.bytes(via.branch)),
            clients[handle].sent.exists
        else { return false }
        let sent = blocks.span(clients[handle].sent)
        let uri = bytes.bytes(index.requestURI.whole)
        let start = Int(index.methodSlice.length) + 1
        guard sent.count > start + uri.count, sent[start + uri.count] == 0x20 else { return false }
        return sent.extracting(start..<start + uri.count).equals(uri)
    }

    /// Begins an exchange, unless the same request is under way and came by another way
    /// (RFC 3261 section 8.2.2.2).
    mutating func openUnmerged(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, of account: Int32
    ) -> Handle? {
        let key =
            NameTable.hash(bytes.bytes(index.callID))
            ^ NameTable.hash(bytes.bytes(index.from.tag)) &* 7
            ^ (UInt64(index.sequence) << 8 | UInt64(index.method.rawValue))
            &* 0x9E37_79B9_7F4A_7C15
        let other = keys.find(key) { number in
            guard let handle = exchanges.handle(at: UInt32(bitPattern: number)) else {
                return false
            }
            return exchanges[handle].mergeKey == key && exchanges[handle].server.isOpen
        }
        guard other == nil else {
            refuse(bytes, index, flow, 482, "Loop Detected", "merged")
            return nil
        }
        guard let handle = open(bytes, index, flow, .inward, of: account) else { return nil }
        exchanges[handle].mergeKey = key
        keys.add(Int32(bitPattern: handle.index), key)
        return handle
    }

    // MARK: Extensions

    /// Whether a name is that of an extension that the registrar offers.
    private func isOffered(_ option: Span<UInt8>) -> Bool { option.isCaseless("outbound") }

    /// Whether a REGISTER says that its phone can do RFC 5626.
    func offersOutbound(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        lists("outbound", .supported, bytes, index) || lists("outbound", .require, bytes, index)
    }

    private func lists(
        _ option: StaticString, _ name: HeaderName, _ bytes: Span<UInt8>,
        _ index: borrowing MessageIndex
    ) -> Bool {
        var values = FieldValues(name)
        while let value = values.next(bytes, index) {
            if bytes.bytes(value).isCaseless(option) { return true }
        }
        return false
    }

    private func requiresUnknown(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        var values = FieldValues(.require)
        while let option = values.next(bytes, index) {
            if !isOffered(bytes.bytes(option)) { return true }
        }
        return false
    }

    /// Answers 420 with the names of the extensions that are not known, in one line.
    private mutating func refuseExtensions(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ name: HeaderName
    ) {
        // The line of their names is hardly longer than the request, which has them all.
        beginReply(
            bytes, index, flow, 420, "Bad Extension", rest: Self.plainRest + bytes.count)
        var isFirst = true
        var values = FieldValues(name)
        while let option = values.next(bytes, index) {
            if name == .require, isOffered(bytes.bytes(option)) { continue }
            writer.append(isFirst ? "Unsupported: " : ", ")
            writer.append(value: bytes.bytes(option), .inward)
            isFirst = false
        }
        if !isFirst { writer.endLine() }
        let isSent = endReply(flow)
        refuseRecord("extension", isSent ? 420 : 0, index, bytes, flow)
    }
}
