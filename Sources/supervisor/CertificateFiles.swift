internal import Glibc
internal import Messages
internal import Sys

/// A certificate's two files as they were at one moment, unparsed, in memory where nobody can change them.
///
/// Files that are written over in place change nothing in it. An object, since it is told by which one it is.
final class SealedPair {
    /// The chain, nil when it could not be copied.
    let certificate: Descriptor?
    /// The key, nil when it could not be copied.
    let key: Descriptor?

    init(certificate: Descriptor?, key: Descriptor?) {
        self.certificate = certificate
        self.key = key
    }

    /// Whether both are there.
    var isWhole: Bool { certificate != nil && key != nil }

    /// Its files, each opened anew: a shared one would share its offset.
    func reopened() throws(SystemError) -> [(FileKind, Descriptor)] {
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

/// What was found at the paths of a certificate's files.
struct CertificateCopy {
    /// The stamps of the files before they were copied; nil for one that is not there.
    let stamps: [FileStamp?]
    /// The copies.
    let pair: SealedPair
    /// What of them cannot be read, each with the setting that names it.
    let unreadable: [(setting: String, why: String)]

    /// The longest certificate or key file, in bytes.
    private static let longestFile = 1 << 20

    /// Copies the files of the paths as they are now; `group` is the part of the settings that names them.
    ///
    /// It waits as long as the file system makes it wait, but never for a pipe or a device.
    init(_ paths: CertificatePaths, _ group: String) {
        var unreadable: [(setting: String, why: String)] = []
        func sealed(_ path: String, _ setting: String) -> Descriptor? {
            guard !path.isEmpty else { return nil }
            do throws(SystemError) {
                return try Descriptor.sealedCopy(of: path, limit: Self.longestFile)
            } catch {
                unreadable.append((setting, Self.why(error, setting, path)))
                return nil
            }
        }
        stamps = Self.stamps(of: paths)
        pair = SealedPair(
            certificate: sealed(paths.certificate, "\(group).certificate"),
            key: sealed(paths.key, "\(group).key"))
        self.unreadable = unreadable
    }

    /// The stamps of the files of some paths.
    static func stamps(of paths: CertificatePaths) -> [FileStamp?] {
        [FileStamp(paths.certificate), FileStamp(paths.key)]
    }

    private static func why(_ error: SystemError, _ setting: String, _ path: String) -> String {
        let reason =
            switch error.code {
            case ESPIPE: "it is no regular file"
            case EFBIG: "it is longer than 1 MiB, so it is no PEM file"
            default: error.reason
            }
        let isHidden = ["/home/", "/root/"].contains(where: path.hasPrefix)
        return
            "\(setting): \(path) cannot be read (\(reason)): correct the path or the file's rights"
            + (isHidden ? "; a service sees nothing below /home and /root" : "")
    }
}

/// A certificate of the settings: its files, what was copied of them, and what of that tls-terminator uses.
struct CertificateFiles {
    /// The paths.
    let paths: CertificatePaths
    /// The part of the settings that names them: "tls", or "tls.certificates[2]".
    let group: String
    /// What the files were when they were copied last.
    private(set) var newest: CertificateCopy
    /// The pair that tls-terminator was given last.
    private(set) var handed: SealedPair?
    /// The pair that it said it serves with.
    private(set) var inUse: SealedPair?
    /// The stamps at the last look.
    private var seen: [FileStamp?]
    /// When files that are not used are copied again though nothing has changed, nil while they are used: who
    /// wrote them may have been in the midst of it.
    private var retry: Milliseconds?
    private var retries = 0
    /// How often the newest pair was handed to a running tls-terminator.
    private var offers = 0

    /// When it is tried again, after each time that the files were not used; the last for all that follow.
    private static let patience: [Milliseconds] = [10, 30, 60, 300].map { .seconds($0) }
    /// How often a pair is offered: one that ends the process which reads it is not tried for ever.
    private static let mostOffers = 3

    /// The files of the paths as they are now.
    init(_ paths: CertificatePaths, _ group: String) {
        self.paths = paths
        self.group = group
        newest = CertificateCopy(paths, group)
        seen = newest.stamps
    }

    /// What cannot be read of the newest files.
    var unreadable: [(setting: String, why: String)] { newest.unreadable }

    /// Goes on with the pair that another one's files were last used with.
    mutating func inherit(_ other: CertificateFiles) { inUse = other.inUse }

    /// What a process is to begin with; it is noted as handed over.
    ///
    /// At a start that is what served before, so that no new file keeps a process from starting.
    mutating func handOver(atStart: Bool) -> SealedPair {
        let isFresh = newest.pair.isWhole && !atStart
        let pair = isFresh ? newest.pair : inUse ?? newest.pair
        handed = pair
        return pair
    }

    /// The newest pair, if tls-terminator should try it; it is noted as handed over.
    mutating func offer() -> SealedPair? {
        guard newest.pair.isWhole, handed !== newest.pair, offers < Self.mostOffers else {
            return nil
        }
        offers += 1
        handed = newest.pair
        return newest.pair
    }

    /// tls-terminator has said whether it uses the pair that was handed over last.
    mutating func judged(isUsed: Bool, at now: Milliseconds) {
        if isUsed, handed?.isWhole == true { inUse = handed }
        retry = isUsed && handed === newest.pair ? nil : nextRetry(at: now)
    }

    private func nextRetry(at now: Milliseconds) -> Milliseconds {
        now + Self.patience[min(retries, Self.patience.count - 1)]
    }

    /// What a look has to know of it.
    func question(at now: Milliseconds) -> CertificateLook.Question {
        let isDue = retry.map { $0 <= now } ?? false
        return CertificateLook.Question(
            paths: paths, group: group, seen: seen, copied: newest.stamps, isDue: isDue)
    }

    /// Takes what a look has found; the words for files that cannot be read, if they are news.
    mutating func take(
        _ answer: CertificateLook.Answer, at now: Milliseconds
    ) -> [(setting: String, why: String)] {
        if answer.stamps != seen { retries = 0 }
        seen = answer.stamps
        guard let copy = answer.copy else { return [] }
        let before = newest.unreadable.map(\.why)
        newest = copy
        offers = 0
        retry = copy.pair.isWhole ? nil : nextRetry(at: now)
        retries += 1
        return copy.unreadable.map(\.why) == before ? [] : copy.unreadable
    }
}
