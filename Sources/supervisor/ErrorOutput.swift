internal import Glibc
internal import Journal
internal import Messages
internal import Reactor
internal import Sys

/// The standard error of a program, by a pipe: what its loader, its runtime or a library writes there.
///
/// A program that writes more than is taken up loses lines, and nobody waits for anybody.
final class ErrorOutput {
    /// How many lines of a minute are handed on of a program that does not wait.
    static let linesPerMinute = 20
    /// How many bytes of lines are handed on in all of one that waits.
    static let mostBytes = 64 << 10
    /// The longest line in bytes; what is beyond is left out.
    static let longestLine = 1000

    private let pipe: Descriptor
    private var rest: [UInt8] = []
    private var minute: Milliseconds
    /// The lines of the minute, or the bytes of all lines of a program that waits.
    private var count = 0
    private var saidLeftOut = false
    private let waits: Bool
    /// Whether nothing more can come.
    private(set) var hasEnded = false

    /// A pipe: the end that is read here, and the end for the program.
    ///
    /// With `waits` the program waits while the pipe is full, which is for one whose every line matters.
    static func open(
        waits: Bool, at now: Milliseconds
    ) throws(SystemError) -> (output: ErrorOutput, writing: Descriptor) {
        let ends = try Stream.pipe()
        if !waits {
            _ = try SystemError.check(
                fcntl(ends.writing.raw, F_SETFL, O_NONBLOCK), "standard error")
        }
        return (ErrorOutput(ends.reading, waits: waits, at: now), ends.writing)
    }

    private init(_ pipe: Descriptor, waits: Bool, at now: Milliseconds) {
        self.pipe = pipe
        self.waits = waits
        minute = now
    }

    /// The descriptor to watch for reading, until `hasEnded`.
    var raw: Int32 { pipe.raw }

    /// The lines that have come, without empty ones and those beyond the measure.
    func lines(at now: Milliseconds) -> [String] {
        var buffer = [UInt8](repeating: 0, count: 4096)
        var lines: [String] = []
        reading: for _ in 0..<16 {
            switch Stream.read(pipe.raw, into: &buffer, at: 0) {
            case .moved(let count):
                for byte in buffer[..<count] { append(byte, &lines, now) }
            case .wouldBlock: break reading
            case .ended, .failed:
                hasEnded = true
                append(UInt8(ascii: "\n"), &lines, now)
                break reading
            }
        }
        return lines
    }

    private func append(_ byte: UInt8, _ lines: inout [String], _ now: Milliseconds) {
        guard byte == UInt8(ascii: "\n") else {
            if rest.count < Self.longestLine { rest.append(byte) }
            return
        }
        defer { rest.removeAll(keepingCapacity: true) }
        guard rest.contains(where: { $0 > UInt8(ascii: " ") }) else { return }
        guard isWithinMeasure(now) else {
            if !saidLeftOut {
                lines.append("further lines\(waits ? "" : " of this minute") are left out")
            }
            saidLeftOut = true
            return
        }
        lines.append(String(decoding: rest, as: UTF8.self))
    }

    private func isWithinMeasure(_ now: Milliseconds) -> Bool {
        guard !waits else {
            count += rest.count
            return count <= Self.mostBytes
        }
        if now - minute >= .seconds(60) {
            minute = now
            count = 0
            saidLeftOut = false
        }
        count += 1
        return count <= Self.linesPerMinute
    }
}

/// What programs write to their standard error becomes records.
extension Supervisor {
    /// A pipe for a program's standard error; nil when its lines go to ours as they are.
    func errorOutput(waits: Bool) throws(SystemError) -> (output: ErrorOutput, writing: Descriptor)?
    {
        isReadable ? nil : try ErrorOutput.open(waits: waits, at: now)
    }

    /// The token of the standard error of a child, or of the settings' reader for nil.
    func errorToken(_ child: Child?) -> Token {
        let index = child.flatMap { wanted in children.firstIndex { $0 === wanted } }
        return Token(
            kind: TokenKind.errors.rawValue, index: UInt32(index ?? Role.children.count),
            generation: child?.generation ?? 0)
    }

    /// Takes what has come on a standard error.
    func readErrors(_ token: Token) {
        guard Int(token.index) < children.count else {
            reader?.receiveErrors(at: now)
            return
        }
        let child = children[Int(token.index)]
        guard child.generation & 0xFF_FFFF == token.generation else { return }
        recordErrors(of: child)
    }

    /// Records the lines that a child has written.
    func recordErrors(of child: Child) {
        guard let output = child.errors else { return }
        for line in output.lines(at: now) {
            child.lastWords = (Journal.clean(line), now)
            journal.write(
                .programWrote, .warning, "\(child.role.name) wrote: \(line)",
                [(.component, child.role.name), (.pid, String(child.pid))])
        }
        if output.hasEnded { child.errors = nil }
    }

    /// Records the faults that the reader of the settings has found.
    func recordFaults(_ reader: SettingsReader) {
        for fault in reader.faults(at: now) {
            journal.write(
                .settingsFault, fault.isWarning ? .warning : .error, fault.text,
                [(.file, options.settings)])
        }
    }
}
