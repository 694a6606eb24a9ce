internal import Glibc
internal import Messages
internal import Sys

/// The settings in force, with the files that they name as they were when the settings were read.
struct Configuration {
    /// The settings, in the order of the text.
    let settings: [Setting]
    private var certificate: Descriptor?
    private var key: Descriptor?
    /// What is wrong with the files that the settings name, each with its setting, which is how
    /// tls-terminator names it too.
    private(set) var unreadable: [(setting: String, why: String)] = []

    /// The longest certificate or key file, in bytes.
    private static let longestFile = 1 << 20

    /// Copies the files that the settings name; one that cannot be read costs TLS alone.
    init(_ settings: [Setting]) throws(StartFailure) {
        self.settings = settings
        var named: Set<FileKind> = []
        for setting in settings {
            switch setting {
            case .certificate(let path):
                named.insert(.certificate)
                certificate = sealed(path, "tls.certificate")
            case .key(let path):
                named.insert(.key)
                key = sealed(path, "tls.key")
            default: break
            }
        }
        let needsTLS = listeners.contains { $0.endpoint.transport == .tls }
        guard !needsTLS || named.count == 2 else {
            throw StartFailure(
                "a tls:// endpoint needs tls.certificate and tls.key: set both, or take it out",
                lasts: true)
        }
    }

    /// A copy of a file, unparsed, which stays what it is when the file is written over in place.
    private mutating func sealed(_ path: String, _ name: String) -> Descriptor? {
        do throws(SystemError) {
            return try Descriptor.sealedCopy(of: path, limit: Self.longestFile)
        } catch {
            let reason =
                switch error.code {
                case ESPIPE: "it is no regular file"
                case EFBIG: "it is longer than 1 MiB, so it is no PEM file"
                default: error.reason
                }
            let isHidden = ["/home/", "/root/"].contains(where: path.hasPrefix)
            unreadable.append(
                (
                    name,
                    "\(name): \(path) cannot be read (\(reason)): correct the path or the file's"
                        + " rights, then reload"
                        + (isHidden ? "; a service sees nothing below /home and /root" : "")
                ))
            return nil
        }
    }

    /// Whether there is a certificate with its key.
    var hasPair: Bool { certificate != nil && key != nil }

    /// Goes on with the certificate and key of others, where its own cannot be used: the pair that was in use
    /// stays in use.
    mutating func keepPair(of other: Configuration) {
        (certificate, key) = (other.certificate, other.key)
    }

    /// The listeners, numbered.
    var listeners: [Listener] { Listener.numbered(settings) }

    /// How many domains are served.
    var domains: Int {
        settings.count { setting in
            if case .domain = setting { true } else { false }
        }
    }

    /// Whether the sockets that are bound serve the other settings too.
    func hasSameSockets(as other: Configuration) -> Bool {
        settings.filter(\.isFixedAtStart) == other.settings.filter(\.isFixedAtStart)
    }

    /// The settings that a child reads.
    func settings(for role: Role) -> [Setting] { settings.filter { $0.readers.contains(role) } }

    /// The copies that a child reads, each opened anew: a shared one would share its offset.
    func files(for role: Role) throws(SystemError) -> [(FileKind, Descriptor)] {
        guard role == .terminator else { return [] }
        var files: [(FileKind, Descriptor)] = []
        if let certificate { files.append((.certificate, try Self.reopened(certificate))) }
        if let key { files.append((.key, try Self.reopened(key))) }
        return files
    }

    private static func reopened(_ file: Descriptor) throws(SystemError) -> Descriptor {
        let raw = unsafe Glibc.open("/proc/self/fd/\(file.raw)", O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { throw SystemError("open again", code: errno) }
        return Descriptor(owning: raw)
    }
}
