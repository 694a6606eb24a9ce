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

/// What has become of the newest copy of a certificate's files.
///
/// | state | copied anew when | offered | next |
/// |---|---|---|---|
/// | fresh | the files change | once tls-terminator serves | offered |
/// | offered | the files change | no | used, unused; fresh or givenUp when the process ends first |
/// | used | the files change | no | |
/// | unused | the files change, or its time has come | no | |
/// | givenUp | the files change | no | |
///
/// A copy is fresh when it is whole, and unused when it is not. A start set offers it where there
/// is no pair of before. A reload offers it as long as it is neither unused nor given up.
enum CopyState: Equatable {
    /// tls-terminator is to try it; so many running ones have ended while they did.
    case fresh(ended: Int)
    /// tls-terminator was given it and has not answered; so many have ended before.
    case offered(ended: Int)
    /// tls-terminator serves with it.
    case used
    /// It is not used. From this moment on the files are copied again though they have not changed,
    /// since their writer may have been in the midst of it.
    case unused(retry: Milliseconds)
    /// Every tls-terminator that was to try it has ended.
    case givenUp
}

/// A certificate of the settings: its files, what was copied of them, and what of that tls-terminator uses.
struct CertificateFiles {
    /// The paths.
    let paths: CertificatePaths
    /// The part of the settings that names them: "tls", or "tls.certificates[2]".
    let group: String
    /// What the files were when they were copied last.
    private(set) var newest: CertificateCopy
    /// What has become of that.
    private(set) var state = CopyState.fresh(ended: 0)
    /// The pair that tls-terminator was given and has not answered yet: the newest one, or one of before.
    private(set) var handed: SealedPair?
    /// The pair that it said last it serves with.
    private(set) var inUse: SealedPair?
    /// The stamps at the last look.
    private var seen: [FileStamp?]
    /// How often files with these stamps were not used.
    private var refusals = 0

    /// When it is tried again, after each time that the files were not used; the last for all that follow.
    private static let patience: [Milliseconds] = [10, 30, 60, 300].map { .seconds($0) }
    /// How many processes a pair may end: no more are given it.
    private static let mostEnded = 3

    /// The files of the paths as they are now.
    init(_ paths: CertificatePaths, _ group: String) {
        self.paths = paths
        self.group = group
        newest = CertificateCopy(paths, group)
        seen = newest.stamps
        // The first look copies them again.
        if !newest.pair.isWhole { state = .unused(retry: Milliseconds(0)) }
    }

    /// What cannot be read of the newest files.
    var unreadable: [(setting: String, why: String)] { newest.unreadable }

    /// What there is to say of files that no tls-terminator is given any more; nil while there are none.
    var givenUp: (setting: String, why: String)? {
        guard state == .givenUp else { return nil }
        let setting = "\(group).certificate"
        let kept = inUse == nil ? "" : "; the pair of before stays in use"
        return (
            setting,
            "\(setting): tls-terminator ended \(Self.mostEnded) times while it read \(paths.certificate) and"
                + " \(paths.key), which are not tried again until they change\(kept): have another pair"
                + " issued"
        )
    }

    /// Goes on with the pair that another one's files were last used with.
    mutating func inherit(_ other: CertificateFiles) { inUse = other.inUse }

    /// What a process is to begin or to go on with; it is noted as handed over.
    ///
    /// At a start that is what served before, so that no new file keeps a process from starting.
    mutating func handOver(atStart: Bool) -> SealedPair {
        let pair =
            switch state {
            case .fresh, .offered, .used: atStart ? inUse ?? newest.pair : newest.pair
            case .unused: inUse ?? newest.pair
            case .givenUp: inUse ?? SealedPair(certificate: nil, key: nil)
            }
        handed = pair
        if pair === newest.pair, pair.isWhole { state = .offered(ended: 0) }
        return pair
    }

    /// The process that was given a pair has ended; the words for a pair that is given up now.
    ///
    /// Without an answer its end may be the pair's fault.
    mutating func processEnded() -> (setting: String, why: String)? {
        handed = nil
        guard case .offered(let ended) = state else { return nil }
        state = ended + 1 < Self.mostEnded ? .fresh(ended: ended + 1) : .givenUp
        return givenUp
    }

    /// The newest pair, if tls-terminator should try it; it is noted as handed over.
    mutating func offer() -> SealedPair? {
        guard case .fresh(let ended) = state else { return nil }
        state = .offered(ended: ended)
        handed = newest.pair
        return newest.pair
    }

    /// tls-terminator has said whether it uses the pair that was handed over last, or will not say so any more.
    mutating func judged(isUsed: Bool, at now: Milliseconds) {
        guard let pair = handed else { return }
        handed = nil
        if isUsed, pair.isWhole { inUse = pair }
        guard case .offered = state else { return }
        if isUsed { state = .used } else { notUsed(at: now) }
    }

    private mutating func notUsed(at now: Milliseconds) {
        state = .unused(retry: now + Self.patience[min(refusals, Self.patience.count - 1)])
        refusals += 1
    }

    /// What a look has to know of it.
    func question(at now: Milliseconds) -> CertificateLook.Question {
        let isDue = if case .unused(let retry) = state { retry <= now } else { false }
        return CertificateLook.Question(
            paths: paths, group: group, seen: seen, copied: newest.stamps, isDue: isDue)
    }

    /// Applies what a look has found; the words for files that cannot be read, if they are news.
    mutating func apply(
        _ answer: CertificateLook.Finding, at now: Milliseconds
    ) -> [(setting: String, why: String)] {
        if answer.stamps != seen { refusals = 0 }
        seen = answer.stamps
        guard let copy = answer.copy else { return [] }
        let before = newest.unreadable.map(\.why)
        newest = copy
        if copy.pair.isWhole { state = .fresh(ended: 0) } else { notUsed(at: now) }
        return copy.unreadable.map(\.why) == before ? [] : copy.unreadable
    }
}
