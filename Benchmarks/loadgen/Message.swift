// Just enough of SIP to read an answer: not a parser to be copied anywhere else.

/// A received message, looked at line by line.
struct Message {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The status code of a response, 0 for a request.
    var status: Int {
        guard bytes.count > 12, bytes.starts(with: Array("SIP/2.0 ".utf8)) else { return 0 }
        return bytes[8..<11].reduce(0) { $0 * 10 + Int($1) - 48 }
    }

    /// The method of a request.
    var method: String { String(decoding: bytes.prefix { $0 != 32 }, as: UTF8.self) }

    /// The Request-URI of a request.
    var requestURI: String {
        let words = bytes.split(separator: 32, maxSplits: 2)
        return words.count == 3 ? String(decoding: words[1], as: UTF8.self) : ""
    }

    /// The lines of the head after the first.
    private func eachLine(_ body: (ArraySlice<UInt8>) -> Bool) {
        var start = 0
        var isFirst = true
        while let end = bytes[start...].firstIndex(of: 10) {
            let line = bytes[start..<(end > start && bytes[end - 1] == 13 ? end - 1 : end)]
            if line.isEmpty { return }
            if !isFirst, !body(line) { return }
            isFirst = false
            start = end + 1
        }
    }

    /// The short forms of names (RFC 3261 section 7.3.3), which an edge writes where room is scarce.
    private static let shortNames: [String: String] = [
        "Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Content-Length": "l",
    ]

    /// The value of a line that has a header of this name, in its long or short form.
    private static func value(_ line: ArraySlice<UInt8>, _ name: String) -> String? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let found = line[..<colon]
        func isFound(_ name: String) -> Bool {
            found.count == name.utf8.count
                && zip(found, name.utf8).allSatisfy { $0 | 0x20 == $1 | 0x20 }
        }
        guard isFound(name) || shortNames[name].map(isFound) == true else { return nil }
        return String(decoding: line[(colon + 1)...].drop { $0 == 32 }, as: UTF8.self)
    }

    /// The values of a header, in order; the name in its long form.
    func values(_ name: String) -> [String] {
        var values: [String] = []
        eachLine { line in
            if let value = Self.value(line, name) { values.append(value) }
            return true
        }
        return values
    }

    /// The first value of a header.
    func value(_ name: String) -> String? {
        var found: String?
        eachLine { line in
            found = Self.value(line, name)
            return found == nil
        }
        return found
    }

    /// What stands between angle brackets in a header's first value.
    func uri(_ name: String) -> String? {
        guard let value = value(name), let open = value.utf8.firstIndex(of: UInt8(ascii: "<")),
            let close = value[open...].utf8.firstIndex(of: UInt8(ascii: ">"))
        else { return nil }
        return String(value[value.index(after: open)..<close])
    }
}

/// A digest challenge, as far as an answer needs it.
struct Challenge {
    var realm = ""
    var nonce = ""
    var opaque: String?
    var hasQop = false
    var isStale = false

    /// The MD5 challenge among the values of a header, nil when there is none.
    init?(_ values: [String]) {
        for value in values {
            self = Challenge(parsing: value)
            let algorithm = Self.parameter("algorithm", value) ?? "MD5"
            if algorithm.lowercased() == "md5", !nonce.isEmpty { return }
        }
        return nil
    }

    private init(parsing value: String) {
        realm = Self.parameter("realm", value) ?? ""
        nonce = Self.parameter("nonce", value) ?? ""
        opaque = Self.parameter("opaque", value)
        hasQop = Self.parameter("qop", value) != nil
        isStale = Self.parameter("stale", value)?.lowercased() == "true"
    }

    private static func parameter(_ name: String, _ value: String) -> String? {
        let bytes = Array(value.utf8)
        let wanted = Array((name + "=").utf8)
        guard bytes.count > wanted.count else { return nil }
        for start in 1..<(bytes.count - wanted.count)
        where bytes[start - 1] == 32 || bytes[start - 1] == UInt8(ascii: ",") {
            guard bytes[start...].starts(with: wanted) else { continue }
            let rest = bytes[(start + wanted.count)...]
            if rest.first == UInt8(ascii: "\"") {
                return String(
                    decoding: rest.dropFirst().prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
            }
            return String(decoding: rest.prefix { $0 != UInt8(ascii: ",") }, as: UTF8.self)
        }
        return nil
    }
}
