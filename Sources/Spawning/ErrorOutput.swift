internal import Glibc
package import Sys

/// The standard error of a program, by a pipe: what its loader, its runtime or a library writes there.
///
/// A program that writes more than is taken up loses lines, and nobody waits for anybody.
package final class ErrorOutput {
    /// How many lines of a minute are handed on of a program that does not wait.
    package static let linesPerMinute = 20
    /// How many bytes of lines are handed on in all of one that waits.
    package static let mostBytes = 64 << 10
    /// The longest line in bytes; what is beyond is left out.
    package static let longestLine = 1000

    private let pipe: Descriptor
    private var rest: [UInt8] = []
    private var minute: Milliseconds
    /// The lines of the minute, or the bytes of all lines of a program that waits.
    private var count = 0
    private var saidLeftOut = false
    private let waits: Bool
    /// Whether nothing more can come.
    package private(set) var hasEnded = false

    /// A pipe: the end that is read here, and the end for the program.
    ///
    /// With `waits` the program waits while the pipe is full, which is for one whose every line matters.
    package static func open(
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
    package var raw: Int32 { pipe.raw }

    /// The lines that have come, without empty ones and those beyond the measure.
    package func lines(at now: Milliseconds) -> [String] {
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
