internal import AsteriskFiles

/// A JSON string of bytes.
func quoted(_ bytes: some Collection<UInt8>) -> String {
    var text = "\""
    for byte in bytes {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += "\\\(UnicodeScalar(byte))"
        case 0x20..<0x7F: text.unicodeScalars.append(UnicodeScalar(byte))
        default:
            let digits = String(byte, radix: 16)
            text += "\\u00" + (digits.utf8.count < 2 ? "0" : "") + digits
        }
    }
    return text + "\""
}

/// A JSON list.
func list(_ items: [String]) -> String { "[" + items.joined(separator: ",") + "]" }

/// A section as [NAME, IS-TEMPLATE, [LINE, ...]], a line being NAME=VALUE.
func json(_ section: Section) -> String {
    let lines = section.variables.map { quoted($0.name + [UInt8(ascii: "=")] + $0.value) }
    return list([quoted(section.name), "\(section.isTemplate)", list(lines)])
}

/// What a folder says about accounts: endpoints with their auths and addresses of record, peers, the tables that
/// stand in databases, and which lines of each access list permit.
func accounts(_ read: AsteriskConfiguration) -> String {
    let endpoints = read.pjsip.endpoints.map { endpoint in
        let auths = endpoint.auths.compactMap(read.pjsip.auth).map { auth in
            list([auth.id, auth.username, auth.password, auth.md5Credential].map(quoted))
        }
        let contacts = endpoint.aors.compactMap(read.pjsip.aor).map { "\($0.maximumContacts)" }
        let ids = [endpoint.auths, endpoint.aors].map { list($0.map(quoted)) }
        return list([quoted(endpoint.id)] + ids + [list(auths), list(contacts)])
    }
    let peers = read.chanSip.peers.map { peer in
        let facts = [
            peer.isDynamic, peer.isCalled, !peer.secret.isEmpty, !peer.md5Secret.isEmpty,
            !peer.access.isEmpty,
        ]
        return list([quoted(peer.name), list(facts.map { "\($0)" })])
    }
    let mappings = read.realtime.mappings.map { mapping in
        let texts = [mapping.family, mapping.engine, mapping.database, mapping.table].map(quoted)
        return list(texts + ["\(mapping.priority)"])
    }
    let lists = read.accessLists.names.map { name in
        let kinds = (read.accessLists.lines(name) ?? []).map { $0.kind == .permit ? "1" : "0" }
        return list([quoted(name), list(kinds)])
    }
    return list([endpoints, peers, mappings, lists].map(list))
}
