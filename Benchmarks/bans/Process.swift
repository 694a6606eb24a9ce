internal import Glibc
internal import Sys

/// Writes all bytes; false when that fails.
private func write(_ bytes: [UInt8], to raw: Int32) -> Bool {
    var written = 0
    while written < bytes.count {
        // In bounds: from `written` to the array's own end.
        let count = unsafe bytes.withUnsafeBytes { buffer in
            let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
            return unsafe Glibc.write(raw, rest.baseAddress, rest.count)
        }
        guard count >= 0 else { return false }
        written += count
    }
    return true
}

/// Says a line, at once: the next figure may be a while in coming.
func say(_ text: String, on raw: Int32 = STDOUT_FILENO) {
    _ = write(Array("\(text)\n".utf8), to: raw)
}

/// Says what is wrong and ends.
func fail(_ text: String) -> Never {
    say("bans: \(text)", on: STDERR_FILENO)
    exit(1)
}

/// The open file of a path.
func openFile(_ path: String, _ flags: Int32) -> Descriptor {
    let raw = unsafe Glibc.open(path, flags | O_CLOEXEC, 0o600)
    guard raw >= 0 else { fail("\(path): \(SystemError("open", code: errno))") }
    return Descriptor(owning: raw)
}

/// Writes a file of lines, in place of an older one at once.
func writeFile(_ path: String, _ lines: some Sequence<String>) {
    let file = openFile("\(path).new", O_WRONLY | O_CREAT | O_TRUNC)
    let bytes = lines.flatMap { Array("\($0)\n".utf8) }
    guard write(bytes, to: file.raw) else { fail("\(path) cannot be written: \(errno)") }
    guard unsafe rename("\(path).new", path) == 0 else { fail("\(path) cannot be renamed") }
}

/// A program that was started, and is waited for.
struct Process {
    private let pid: pid_t

    /// Starts a program with its words; `link` becomes its descriptor 3, `output` its standard output and error.
    init(_ words: [String], link: Descriptor? = nil, output: Descriptor) {
        var actions = unsafe posix_spawn_file_actions_t()
        _ = unsafe posix_spawn_file_actions_init(&actions)
        for number in [STDOUT_FILENO, STDERR_FILENO] {
            _ = unsafe posix_spawn_file_actions_adddup2(&actions, output.raw, number)
        }
        if let link { _ = unsafe posix_spawn_file_actions_adddup2(&actions, link.raw, 3) }
        // The words live until they are freed, after the call.
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        var pid: pid_t = 0
        let code = unsafe posix_spawn(&pid, words[0], &actions, nil, &arguments, environ)
        unsafe arguments.forEach { unsafe free($0) }
        _ = unsafe posix_spawn_file_actions_destroy(&actions)
        guard code == 0 else { fail("\(words[0]): \(SystemError("start", code: code))") }
        self.pid = pid
    }

    /// Waits for its end: its exit code, or 255 when a signal has ended it.
    func wait() -> Int32 {
        var status: Int32 = 0
        guard unsafe waitpid(pid, &status, 0) == pid else { fail("waitpid: \(errno)") }
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 255
    }
}
