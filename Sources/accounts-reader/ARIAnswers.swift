// What Asterisk's REST interface answers, read as what it means.
internal import AsteriskFiles
internal import HTTP

/// An object of Asterisk's that ARI is asked for (`GET /asterisk/config/dynamic/res_pjsip/TYPE/ID`).
struct ARIName: Equatable {
    /// Its type, such as `endpoint`.
    let type: String
    /// Its id; never empty.
    let id: String

    /// An object; an empty id, which no object has, becomes another one that none has.
    init(_ type: String, _ id: String) {
        self.type = type
        self.id = id.isEmpty ? "rempart-none" : id
    }

    /// The path of the request.
    var path: String { "/ari/asterisk/config/dynamic/res_pjsip/\(type)/\(Self.escaped(id))" }

    /// An id as it stands in a path: Asterisk takes a path apart before it reads escapes.
    private static func escaped(_ id: String) -> String {
        var result = ""
        for byte in id.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"):
                result.append(Character(Unicode.Scalar(byte)))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += (byte < 16 ? "%0" : "%") + digits
            }
        }
        return result
    }
}

/// The attributes of an object.
struct ARIObject {
    private var attributes: [(name: String, value: String)] = []

    /// The attributes of `[{"attribute": NAME, "value": VALUE}]`; nil for anything else.
    init?(_ json: JSONValue) {
        guard let items = json.items else { return nil }
        for item in items {
            guard let name = item["attribute"]?.text, let value = item["value"]?.text else {
                return nil
            }
            attributes.append((name, value))
        }
    }

    /// The value of an attribute; empty without one.
    func value(_ name: String) -> String { attributes.last { $0.name == name }?.value ?? "" }

    /// The items of an attribute's comma lists, however often it stands there.
    func items(_ name: String) -> [String] {
        attributes.filter { $0.name == name }
            .flatMap { Array($0.value.utf8).listItems.map(\.text) }
    }
}

/// Why an answer is of no use.
enum ARIFailure: Error, Equatable {
    /// The next request would fare no better: what is wrong and what to do.
    case ofServer(String)
    /// This one alone: what is wrong.
    case ofObject(String)
}

/// What an Asterisk is called in words about it.
struct ARIAsker {
    /// Its URL.
    let url: String
    /// `accounts.user`.
    let user: String

    /// The object that an answer has, nil when there is none of that name.
    func object(
        _ name: ARIName, _ result: Result<HTTPAnswer, HTTPFailure>
    ) throws(ARIFailure) -> ARIObject? {
        let answer = try whole(result)
        let json = JSONValue(answer.body)
        switch answer.status {
        case 200:
            guard let json, let object = ARIObject(json) else { throw noAsterisk("no object") }
            return object
        case 404:
            let message = json?["message"]?.text
            if message == "Object with id '\(name.id)' not found" { return nil }
            if message?.hasPrefix("Object with id ") == true {
                throw noAsterisk("another id than it was asked for")
            }
            // Its module need not be there.
            if name.type == "registration", message == "objectType '\(name.type)' not found" {
                return nil
            }
            throw .ofServer(
                "\(url) does not tell PJSIP's objects (404, \(message?.cut ?? "no ARI")): see whether Asterisk has"
                    + " loaded res_pjsip.so, res_ari.so and res_ari_asterisk.so. Accounts of chan_sip take"
                    + " accounts.schema: chan_sip and accounts.ami")
        default: throw failure(status: answer.status)
        }
    }

    /// The value of a good answer.
    func json(_ result: Result<HTTPAnswer, HTTPFailure>) throws(ARIFailure) -> JSONValue {
        let answer = try whole(result)
        guard answer.status == 200 else { throw failure(status: answer.status) }
        guard let json = JSONValue(answer.body) else { throw noAsterisk("no JSON") }
        return json
    }

    private func whole(_ result: Result<HTTPAnswer, HTTPFailure>) throws(ARIFailure) -> HTTPAnswer {
        switch result {
        case .success(let answer): return answer
        case .failure(let failure):
            let words = words(failure)
            throw failure.isOfServer ? .ofServer(words) : .ofObject(words)
        }
    }

    private func noAsterisk(_ what: String) -> ARIFailure {
        .ofObject("\(url) answers with \(what), which no Asterisk does: see what listens there")
    }

    private func failure(status: Int) -> ARIFailure {
        switch status {
        case 300..<400:
            .ofServer(
                "\(url) leads elsewhere (status \(status)), which is not followed: name the scheme and the port of"
                    + " Asterisk's own http.conf")
        case 401, 403:
            .ofServer(
                "\(url) refuses the login (status \(status)): correct accounts.user and accounts.secret-file and type"
                    + " 'rempart reload', or correct the section [\(user)] of ari.conf and reload res_ari.so"
            )
        case 404:
            .ofServer(
                "\(url) has no ARI (status 404): see whether Asterisk has loaded res_ari.so and res_ari_asterisk.so,"
                    + " and whether http.conf has a prefix")
        case 503: .ofServer("\(url) is starting or stopping (status 503): wait for it")
        default: .ofObject("\(url) answers with status \(status): see Asterisk's log")
        }
    }

    /// What a failure means, and what to do.
    func words(_ failure: HTTPFailure) -> String {
        switch failure {
        case .unreachable(let why):
            "\(url) cannot be reached (\(why.cut)): see whether Asterisk runs, and whether http.conf has enabled=yes"
                + " and binds that address and port"
        case .untrusted(let why) where why.contains("wrong version number"):
            "\(url) does not speak TLS: write ari:// for it, or name the port of tlsbindaddr in http.conf"
        case .untrusted(let why):
            "the certificate of \(url) is refused (\(why.cut)): name the host as the certificate does, and have this"
                + " machine trust who has signed it (update-ca-certificates)"
        case .late: "\(url) does not answer in time: see whether Asterisk is overloaded or hangs"
        case .tooLong(let limit):
            "\(url) answers with more than \(limit) bytes, which is not read: see what listens there"
        case .broken(let why): "\(url) does not answer in full (\(why.cut)): see what listens there"
        }
    }
}

extension String {
    /// The text, at most 120 characters of it.
    fileprivate var cut: String { String(prefix(120)) }
}
