internal import ArgumentParser
internal import Glibc
internal import Sys

/// `rempart run`: becomes the supervisor.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the edge in the foreground.",
        discussion: """
            As root, every component runs as a user of its own. Without root everything runs as you, \
            and bans are enforced by sip-router alone.
            """)

    @Option(
        help: ArgumentHelp("The settings file.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var settings = Standard.settings
    @Option(
        help: ArgumentHelp(
            "The folder where bindings, bans and keys are kept.", valueName: "folder"),
        completion: .directory)
    var state = Standard.state
    @Option(
        help: ArgumentHelp(
            "The folder for the control socket; another one lets several edges run.",
            valueName: "folder"),
        completion: .directory)
    var runtime = Standard.runtime
    @Option(
        help: "How records are written to standard error: text, or json, one object a line.")
    var log = LogForm.text

    /// As the supervisor's own option has it.
    enum LogForm: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    func run() throws {
        let places = try Self.supervisorPlaces()
        let rest = [
            "--settings", settings, "--state", state, "--runtime", runtime, "--log", log.rawValue,
        ]
        for path in places { Self.become(path, ["supervisor"] + rest) }
        throw failure(
            "cannot start \(places.joined(separator: " or ")): \(SystemError("", code: errno).reason);"
                + " install Rempart as a whole, or keep its binaries in one folder")
    }

    /// Where the supervisor may be: beside this binary, or where `make install` puts it.
    private static func supervisorPlaces() throws -> [String] {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        // In bounds: the array's own storage and length.
        let length = unsafe readlink("/proc/self/exe", &buffer, buffer.count)
        guard length > 0 else {
            throw failure(SystemError("find this binary (/proc/self/exe)", code: errno).description)
        }
        let path = String(
            decoding: buffer[..<length].lazy.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let folder = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
        return ["\(folder)/supervisor", "\(folder)/../libexec/rempart/supervisor"]
    }

    /// Replaces this process with a program; returns only when that fails.
    private static func become(_ path: String, _ arguments: [String]) {
        var list = unsafe arguments.map { unsafe strdup($0) } + [nil]
        // The list ends with nil, as execv(3) wants it.
        _ = unsafe execv(path, &list)
        let code = errno
        unsafe list.forEach { item in unsafe free(item) }
        errno = code
    }
}
