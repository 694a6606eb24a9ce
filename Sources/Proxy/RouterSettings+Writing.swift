internal import Dialling
package import SIPWriting
internal import Sys

/// What the settings make of messages.
extension MessageWriter {
    /// Takes over the settings that show in messages.
    package mutating func configure(_ settings: RouterSettings) {
        configure(settings.writing)
    }
}

extension RouterSettings {
    /// Those that show in messages.
    fileprivate var writing: WriterSettings {
        var result = WriterSettings()
        result.domains = domains
        result.localNetworks = localNetworks
        result.asterisks = asterisks
        result.trunkSources = trunks.flatMap(\.sources)
        result.trunkDomains = trunks.map(\.domain)
        result.emergency = calls.plan.firstEmergency
        return result
    }

    /// Takes an address of ours that is a served domain as one by its other faces too.
    mutating func serveFaces(of own: OwnAddresses) {
        for domain in domains {
            guard let ip = IPAddress(host: domain.span) else { continue }
            for face in own.otherFaces(of: ip).map(\.host) where !domains.contains(face) {
                domains.append(face)
            }
        }
    }
}
