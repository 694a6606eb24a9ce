internal import Messages
internal import Sys

/// The keys of classes of sources, and of what counts as an offence.
extension Schema {
    /// The group that holds the profiles by name.
    static let profileNames = NamedGroup(
        name: "profiles", what: "profile", limit: nil, example: "office",
        range: "one word of at most 32 bytes", isName: { (1...32).contains($0.utf8.count) })

    static let strangers: [SettingKey] = [
        SettingKey(
            "defence.replies", byDefault: "30", count: 1...100_000,
            meaning:
                "How many answers a second of up to three times what was asked go by UDP to an address"
                + " that has proven nothing, eight times as many at once; more are in short form and no"
                + " longer than what was asked, up to defence.packets. All strangers together get 64"
                + " times as many, all addresses that phones are registered from 128 times, and as many"
                + " those of trunks; when these are used up, whoever has had more than an equal part"
                + " waits (of strangers the /16 or, of IPv6, the /32).",
            make: { .replies($0) }),
        SettingKey(
            "defence.traps", items: 1...256, range: "1 to 256 names of at most 64 bytes",
            example: "[admin, test]",
            meaning:
                "Names that no phone of yours uses and attackers try: whoever tries one that is no"
                + " account is banned for a day.",
            read: { text throws(ValueError) in
                guard (1...64).contains(text.utf8.count) else {
                    throw ValueError("`\(text)` is not a name of 1 to 64 bytes")
                }
                return .trap(text)
            }),
    ]

    static let limits: [SettingKey] =
        Detector.allCases.filter { $0 != .wrongPassword }.map { detector in
            let standard = detector.standard
            let text = "\(standard.count) in \(standard.window.duration)"
            return SettingKey(
                "limits.\(detector.key)", byDefault: text, range: "1 to 100000 in 1s to 7d",
                example: text,
                meaning: "How many \(detector.counted) within which time ban a source that has"
                    + " proven its address.",
                read: { text throws(ValueError) in
                    .limit(detector, try Value.limit(text))
                })
        }

    static let profiles: [SettingKey] = [
        SettingKey(
            "profiles.NAME.networks", items: 1...1024, range: "1 to 1024 networks or addresses",
            example: "[192.0.2.0/24]",
            meaning:
                "The networks of this class of sources; the narrowest that holds an address decides."
                + " NAME is yours to choose; `phones` (addresses that phones are registered from),"
                + " `trunks` (addresses of trunks that no profile lists) and `world` (all others) are"
                + " always there and can be given keys.",
            read: { text throws(ValueError) in
                .profile("", .network(try Value.network(text)))
            }),
        SettingKey(
            "profiles.NAME.countries", items: 1...249,
            range: "1 to 249 country codes of two letters",
            example: "[FR, BE]",
            meaning: "The countries of this class of sources; networks go first.",
            read: { text throws(ValueError) in
                .profile("", .country(try Value.country(text)))
            }),
        SettingKey(
            "profiles.NAME.trunks", items: 1...64, range: "1 to 64 names of trunks",
            example: "[telco]",
            meaning:
                "The trunks of this class of sources, by their names in `trunks`; they go before"
                + " networks and countries, and a trunk is in one class.",
            read: { text throws(ValueError) in
                .profile("", .trunk(try Value.trunkName(text)))
            }),
        SettingKey(
            "profiles.NAME.methods", items: 1...14, range: "names of SIP methods",
            example: "[REGISTER, INVITE]",
            meaning: "The methods that this class may use; all when left out.",
            read: { text throws(ValueError) in .profile("", .method(try Value.method(text))) }),
        SettingKey(
            "profiles.NAME.transports", items: 1...3, range: "udp, tcp, tls", example: "[tls]",
            meaning: "The transports that this class may use; all when left out.",
            read: { text throws(ValueError) in
                guard let transport = Transport.allCases.first(where: { $0.name == text }) else {
                    throw ValueError("`\(text)` is not a transport: udp, tcp or tls")
                }
                return .profile("", .transport(transport))
            }),
        SettingKey(
            "profiles.NAME.answer",
            range: ProfileAnswer.allCases.map(\.name).joined(separator: ", "), example: "silence",
            meaning:
                "What is answered before a source has authenticated: a challenge (when left out), a"
                + " refusal, which keeps even good passwords out, or nothing.",
            read: { text throws(ValueError) in
                guard let answer = ProfileAnswer.allCases.first(where: { $0.name == text }) else {
                    throw ValueError("`\(text)` is not challenge, refuse or silence")
                }
                return .profile("", .answer(answer))
            }),
        number(
            "replies", 1...100_000, "30", "`defence.replies` for this class.",
            { .replies($0) }),
        number(
            "calls", 1...10_000, "10",
            "`calls.at-once` for the accounts that call from this class; of a trunk in it, how many"
                + " calls it has at a time, both ways together: more get 503.",
            { .calls($0) }),
        number(
            "failures", 1...1000, "5", "`defence.failures` for this class.", { .failures($0) }),
    ]

    private static func number(
        _ name: String, _ range: ClosedRange<UInt32>, _ example: String, _ meaning: String,
        _ make: @escaping @Sendable (UInt32) -> ProfileRule
    ) -> SettingKey {
        SettingKey(
            "\(profileNames.keys).\(name)", range: "\(range.lowerBound) to \(range.upperBound)",
            example: example, meaning: meaning,
            read: { text throws(ValueError) in
                .profile("", make(try Value.count(text, in: range)))
            })
    }
}

extension Value {
    /// "5 in 30s".
    static func limit(_ text: String) throws(ValueError) -> Limit {
        let words = text.split(separator: " ")
        guard words.count == 3, words[1] == "in" else {
            throw ValueError("`\(text)` is not a limit such as `5 in 30s`")
        }
        let number = try count(String(words[0]), in: 1...100_000)
        return Limit(
            number, in: try duration(String(words[2]), in: .seconds(1) ... .seconds(604_800)))
    }

    /// The name of a SIP method, in any case.
    static func method(_ text: String) throws(ValueError) -> String {
        let names = [
            "INVITE", "BYE", "REGISTER", "OPTIONS", "UPDATE", "PRACK", "INFO", "REFER", "MESSAGE",
            "SUBSCRIBE", "NOTIFY", "PUBLISH",
        ]
        let name = text.uppercased()
        guard names.contains(name) else {
            throw ValueError("`\(text)` is not a method: \(names.joined(separator: ", "))")
        }
        return name
    }
}
