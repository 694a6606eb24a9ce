internal import Messages
internal import Spawning
internal import Sys

/// The settings in force, with the files that they name as they were when the settings were read.
struct Configuration {
    /// The settings, in the order of the text.
    let settings: [Setting]
    /// The certificates, the default first.
    var certificates: [CertificateFiles]

    /// Copies the files that the settings name; one that cannot be read costs TLS alone.
    init(_ settings: [Setting]) throws(StartFailure) {
        self.settings = settings
        let paths = CertificatePaths.of(settings.compactMap(\.told.terminator))
        certificates = paths.enumerated().map { place, one in
            CertificateFiles(one, CertificatePaths.group(place, of: paths.count))
        }
        let areNamed =
            !paths.isEmpty && paths.allSatisfy { !$0.certificate.isEmpty && !$0.key.isEmpty }
        guard !needsTLS || areNamed else {
            throw StartFailure(
                "a tls:// endpoint needs tls.certificate and tls.key: set both, or take it out",
                lasts: true)
        }
    }

    /// Whether an endpoint is `tls://`.
    var needsTLS: Bool { listeners.contains { $0.endpoint.transport == .tls } }

    /// What is wrong with the files that the settings name, each with its setting, which is how
    /// tls-terminator names it too.
    var unreadable: [(setting: String, why: String)] {
        certificates.flatMap { files in
            let kept = files.inUse == nil ? "" : "; the pair of before stays in use"
            return files.unreadable.map { ($0.setting, $0.why + kept) }
        }
    }

    /// Goes on with the pairs that the certificates of other settings are served with.
    mutating func inherit(_ other: Configuration) {
        let predecessors = CertificatePaths.predecessors(
            of: certificates.map(\.paths), in: other.certificates.map(\.paths))
        for (place, old) in predecessors.enumerated() {
            if let old { certificates[place].inherit(other.certificates[old]) }
        }
    }

    /// The listeners, numbered.
    var listeners: [Listener] { Listener.numbered(settings.compactMap(\.told.router)) }

    /// How many domains are served.
    var domains: Int {
        settings.count { setting in
            if case .domain = setting.told.router { true } else { false }
        }
    }

    /// Whether the sockets that are bound serve the other settings too.
    func hasSameSockets(as other: Configuration) -> Bool {
        settings.filter(\.isFixedAtStart) == other.settings.filter(\.isFixedAtStart)
    }

    /// The copies that tls-terminator is to read, with their places; they are noted as handed over.
    mutating func handOver(atStart: Bool) throws(SystemError) -> [SupervisorMessage] {
        var messages: [SupervisorMessage] = []
        for place in certificates.indices {
            let pair = certificates[place].handOver(atStart: atStart)
            messages += try pair.messages(place)
        }
        return messages
    }
}

extension SealedPair {
    /// The messages that hand it over.
    func messages(_ place: Int) throws(SystemError) -> [SupervisorMessage] {
        try reopened().map { .file($0, $1, place: UInt8(place)) }
    }
}
