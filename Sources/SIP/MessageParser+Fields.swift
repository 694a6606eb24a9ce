/// The fields that PJSIP throws a whole message away for, without a word: an Asterisk that says nothing is taken
/// for one that is down.
extension MessageParser {
    /// How many values Accept, Require and Supported may have: PJSIP has place for so many of each.
    package static let maximumOptions = 32

    /// Reads the Contacts, and checks the grammar of the other fields that an Asterisk insists on.
    func readFields(
        _ message: Span<UInt8>, _ index: inout MessageIndex
    ) throws(ParseError) {
        // Those of a registration are read one by one where they matter: chan_sip 16 tells of an account without a
        // contact as `Contact: <>`.
        let method = index.isRequest ? index.method : index.sequenceMethod
        if index.has(.contact), method != .register {
            try readContacts(message, &index)
        }
        if index.isRequest, index.has(.recordRoute) {
            var routes = FieldValues(.recordRoute)
            while let route = routes.next(message, index) {
                _ = try NameAddress(route, in: message)
            }
        }
        let isSound =
            fits(.contentType, message, index) { $0.isMediaType }
            && fits(.sessionExpires, message, index) { $0.isInterval }
            && fits(.minSE, message, index) { $0.isInterval }
            && fits(.event, message, index) { $0.isEvent }
            && fits(.rAck, message, index) { $0.acknowledgedSequence != nil }
            && fits(.rSeq, message, index) { $0.decimal() != nil }
            && fits(.retryAfter, message, index) { $0.isRetryAfter }
            && fits(.minExpires, message, index) { $0.decimal(cutTo: .max) != nil }
            && fits(.subscriptionState, message, index) { $0.isEvent }
            && fits(.replaces, message, index) {
                $0.areParameters(from: $0.first(UInt8(ascii: ";")) ?? $0.count)
            }
            && isShort(.allow, message, index) && isShort(.unsupported, message, index)
            && isShort(.accept, message, index)
            && areOptions(.accept, message, index) && areOptions(.require, message, index)
            && areOptions(.supported, message, index)
        guard isSound else { throw .value }
    }

    /// Whether the field of a name is as it must be, when there is one.
    @inline(__always)
    private func fits(
        _ name: HeaderName, _ message: Span<UInt8>, _ index: borrowing MessageIndex,
        _ isSound: (Span<UInt8>) -> Bool
    ) -> Bool {
        guard let value = index.value(name) else { return true }
        return isSound(message.bytes(value))
    }

    /// Whether each field of a name has no more values than PJSIP has place for, which splits it at every comma.
    private func isShort(
        _ name: HeaderName, _ message: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        var start = 0
        while let position = index.position(name, from: start) {
            start = position + 1
            let value = index[position].value
            let bytes = message.bytes(value)
            var commas = 0
            var place = bytes.first(UInt8(ascii: ","))
            while let comma = place {
                commas += 1
                guard commas < Self.maximumOptions else { return false }
                place = bytes.first(UInt8(ascii: ","), from: comma + 1)
            }
        }
        return true
    }

    /// Whether all fields of a name together list options, or media ranges.
    private func areOptions(
        _ name: HeaderName, _ message: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        guard index.has(name) else { return true }
        var count = 0
        var start = 0
        while let position = index.position(name, from: start) {
            start = position + 1
            let value = index[position].value
            guard !value.isEmpty else { continue }
            guard message[value.end - 1] != UInt8(ascii: ",") else { return false }
            var list = ValueList(value)
            while let option = list.next(in: message) {
                count += 1
                let bytes = message.bytes(option)
                guard count <= Self.maximumOptions,
                    name == .accept ? bytes.isMediaType : bytes.isToken
                else { return false }
            }
        }
        return true
    }

    private func readContacts(
        _ message: Span<UInt8>, _ index: inout MessageIndex
    ) throws(ParseError) {
        var isFirst = true
        var start = 0
        while let position = index.position(.contact, from: start) {
            start = position + 1
            let value = index[position].value
            guard !value.isEmpty, message[value.end - 1] != UInt8(ascii: ",") else {
                throw .address
            }
            var list = ValueList(value)
            while let part = list.next(in: message) {
                let address = try NameAddress(part, in: message)
                if let weight = address.parameter("q", in: message), !weight.isEmpty {
                    guard message.bytes(weight).isWeight else { throw .parameter }
                }
                if isFirst, part == value { index.contact = address }
                isFirst = false
            }
        }
    }
}
