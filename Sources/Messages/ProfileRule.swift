package import Sys
internal import Wire

/// How a class of sources that cannot be served as it asks is answered.
package enum ProfileAnswer: UInt8, CaseIterable, Sendable {
    /// With a challenge.
    case challenge = 1
    /// With 403.
    case refuse = 2
    /// Not at all.
    case silence = 3

    /// The word in the settings.
    package var name: String {
        switch self {
        case .challenge: "challenge"
        case .refuse: "refuse"
        case .silence: "silence"
        }
    }
}

/// One line of a profile: what class of sources it is for, or what such a source may do.
package enum ProfileRule: Equatable, Sendable {
    /// A network whose sources belong to it.
    case network(Network)
    /// A country, two letters, whose sources belong to it.
    case country(String)
    /// A trunk, by its name of at most 32 bytes, whose addresses belong to it.
    case trunk(String)
    /// A method that it may use, upper case; all when none is named.
    case method(String)
    /// A transport that it may use; all when none is named.
    case transport(Transport)
    /// What is answered before a source has authenticated.
    case answer(ProfileAnswer)
    /// How many answers a second go to an address that has proven nothing, 1 to 100,000.
    case replies(UInt32)
    /// How many calls an account may make, or a trunk may have, at a time, 1 to 10,000.
    case calls(UInt32)
    /// How many wrong passwords within `defence.window` ban a source, 1 to 1,000.
    case failures(UInt32)
}

extension ProfileRule {
    /// Writes the rule.
    func write(to writer: inout WireWriter) {
        switch self {
        case .network(let network):
            writer.u8(1)
            writer.network(network)
        case .country(let code):
            writer.u8(2)
            writer.string(code)
        case .method(let name):
            writer.u8(3)
            writer.string(name)
        case .transport(let transport):
            writer.u8(4)
            writer.u8(transport.rawValue)
        case .answer(let answer):
            writer.u8(5)
            writer.u8(answer.rawValue)
        case .replies(let count):
            writer.u8(6)
            writer.u32(count)
        case .calls(let count):
            writer.u8(7)
            writer.u32(count)
        case .failures(let count):
            writer.u8(8)
            writer.u32(count)
        case .trunk(let name):
            writer.u8(9)
            writer.string(name)
        }
    }

    /// Reads a rule.
    init(from reader: inout WireReader) throws(WireError) {
        switch try reader.u8() {
        case 1: self = .network(try reader.network())
        case 2: self = .country(try reader.country())
        case 3: self = .method(try reader.string("method", limit: 16))
        case 4: self = .transport(try reader.choice("transport"))
        case 5: self = .answer(try reader.choice("answer"))
        case 6: self = .replies(try reader.count("replies", in: 1...100_000))
        case 7: self = .calls(try reader.count("calls", in: 1...10_000))
        case 8: self = .failures(try reader.count("failures", in: 1...1000))
        case 9: self = .trunk(try reader.string("trunk", limit: 32))
        default: throw .badValue("profile rule")
        }
    }
}
