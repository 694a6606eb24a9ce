internal import Journal
internal import Messages
internal import Reactor
internal import Spawning
internal import Sys

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
