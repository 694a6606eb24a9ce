package import Digest
package import Messages
package import Sys

/// The settings that the router core reads, gathered from the supervisor's frames.
package struct RouterSettings: Sendable {
    /// The served domains, lower case.
    package var domains: [[UInt8]] = []
    /// The Asterisks.
    package var asterisks: [SocketAddress] = []
    /// The digest realm.
    package var realm: [UInt8] = Array("asterisk".utf8)
    /// The digest algorithms that phones are offered, in this order.
    package var algorithms: [DigestAlgorithm] = []
    /// How many proven wrong digests within `window` ban a source.
    package var failures: UInt32 = 5
    /// The window they are counted in.
    package var window = Milliseconds.seconds(30)
    /// How long the first ban lasts.
    package var ban = Milliseconds.seconds(300)
    /// Networks that are never banned.
    package var allow: [Network] = []
    /// The shortest binding a phone may ask for.
    package var minimumExpires = Milliseconds.seconds(60)
    /// The longest binding a phone gets.
    package var maximumExpires = Milliseconds.seconds(3600)
    /// How many bindings an account may have.
    package var contacts = 10

    /// The settings of a start set; what it leaves out keeps its default.
    package init(_ settings: [Setting]) {
        for setting in settings {
            switch setting {
            case .domain(let text): domains.append(Array(text.utf8))
            case .asterisk(let address): asterisks.append(address)
            case .realm(let text): realm = Array(text.utf8)
            case .failures(let count): failures = count
            case .window(let span): window = span
            case .ban(let span): ban = span
            case .allow(let network): allow.append(network)
            case .minimumExpires(let span): minimumExpires = span
            case .maximumExpires(let span): maximumExpires = span
            case .contacts(let count): contacts = Int(count)
            case .algorithm(let algorithm):
                algorithms.append(algorithm == .md5 ? .md5 : .sha256)
            default: break
            }
        }
        if algorithms.isEmpty { algorithms = [.md5] }
    }
}
