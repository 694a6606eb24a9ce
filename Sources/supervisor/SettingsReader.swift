internal import Glibc
internal import Messages
internal import Reactor
internal import Spawning
internal import Sys
internal import Wire

/// One run of `rempart settings --frames`, which reads the settings' text without privileges.
///
/// The file is opened here and is its standard input; typed frames come back by a pipe, each after
/// its length in two bytes. The program itself writes faults in the text to standard error. With a
/// journal, or JSON, they come by another pipe and become records.
final class SettingsReader {
    /// How long it may take.
    static let limit = Milliseconds.seconds(10)
    /// How many bytes it may write.
    static let maximumBytes = 1 << 20
    /// The longest frame of one setting, in bytes.
    static let maximumFrame = 8192

    /// The pid of the program.
    let pid: Int32
    /// When its time is up.
    let deadline: Milliseconds
    private let pipe: Descriptor
    private let errors: ErrorOutput?
    private var lines: [String] = []
    private let path: String
    private var bytes: [UInt8] = []
    private var hasEnded = false
    private var exit: (code: Int32, signal: Int32)?

    /// Starts reading a settings file.
    ///
    /// `errors` is the pipe for its standard error; nil: it is ours.
    init(
        _ path: String, _ spawner: Spawner, errors: (output: ErrorOutput, writing: Descriptor)?,
        at now: Milliseconds
    ) throws(StartFailure) {
        self.path = path
        self.errors = errors?.output
        deadline = now + Self.limit
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard file >= 0 else {
            let error = SystemError("open", code: errno)
            let mayPass = [EMFILE, ENFILE, ENOMEM, EIO].contains(error.code)
            throw StartFailure(
                "the settings \(path) cannot be read: \(error.reason)", lasts: !mayPass)
        }
        let input = Descriptor(owning: file)
        let user = try spawner.user("nobody")
        do {
            let ends = try Stream.pipe()
            pipe = ends.reading
            pid = try spawner.start(
                "rempart", ["settings", "--frames", "--name", path], user: user,
                descriptors: [input.raw, ends.writing.raw, errors?.writing.raw ?? 2, nil])
        } catch {
            throw StartFailure("the settings cannot be read: \(error.withRemedy)")
        }
    }

    /// The descriptor to watch for reading, until `isWatched` is false.
    var raw: Int32 { pipe.raw }

    /// Whether more may come by the pipe.
    var isWatched: Bool { !hasEnded }

    /// Takes what the program has written.
    func receive() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !hasEnded {
            switch Stream.read(pipe.raw, into: &buffer, at: 0) {
            case .moved(let count):
                bytes += buffer[..<count]
                if bytes.count > Self.maximumBytes { hasEnded = true }
            case .wouldBlock: return
            case .ended, .failed: hasEnded = true
            }
        }
    }

    /// The standard error to watch for reading; nil when it is ours, or has ended.
    var rawErrors: Int32? { errors.flatMap { $0.hasEnded ? nil : $0.raw } }

    /// Takes what the program has written to its standard error.
    func receiveErrors(at now: Milliseconds) { lines += errors?.lines(at: now) ?? [] }

    /// What the program has found wrong, each in a line; the quoted text and its caret are left out.
    func faults(at now: Milliseconds) -> [(text: String, isWarning: Bool)] {
        receiveErrors(at: now)
        return lines.filter { !$0.hasPrefix(" ") }.map { ($0, $0.contains(": warning: ")) }
    }

    /// Notes that the program ended.
    func ended(code: Int32, signal: Int32) { exit = (code, signal) }

    /// Ends a run that nobody waits for any more, or that takes too long.
    func cancel() {
        guard exit == nil else { return }
        _ = kill(pid, SIGKILL)
    }

    /// Whether the program has ended and all that it wrote is here, or more than it may write.
    var isDone: Bool { hasEnded && (exit != nil || bytes.count > Self.maximumBytes) }

    /// The settings, once `isDone`.
    func settings() throws(StartFailure) -> [Setting] {
        if bytes.count > Self.maximumBytes {
            throw StartFailure("the settings \(path) are too many: more than 1 MiB", lasts: true)
        }
        switch exit {
        case (code: 0, signal: _)?: break
        case (code: 1, signal: _)?:
            throw StartFailure(
                "the settings \(path) have errors: run rempart check --settings \(path)",
                lasts: true)
        case (code: let code, signal: let signal)?:
            let how = signal != 0 ? "signal \(signal)" : "exit code \(code)"
            throw StartFailure("the reader of the settings \(path) failed (\(how))")
        case nil:
            throw StartFailure("the settings \(path) were not read within \(Self.limit.duration)")
        }
        do {
            return try Self.decode(bytes)
        } catch {
            throw StartFailure(
                "the reader of the settings is of another build (\(error)): install all programs anew"
            )
        }
    }

    /// The settings of frames that each follow their length in two bytes.
    static func decode(_ bytes: [UInt8]) throws(WireError) -> [Setting] {
        var settings: [Setting] = []
        var at = 0
        while at < bytes.count {
            guard bytes.count - at >= 2 else { throw .truncated }
            let length = Int(bytes[at]) << 8 | Int(bytes[at + 1])
            guard length <= maximumFrame else { throw .tooLong("setting") }
            at += 2
            guard bytes.count - at >= length else { throw .truncated }
            settings.append(try Setting(decoding: bytes.span.extracting(at..<at + length)))
            at += length
        }
        return settings
    }
}
