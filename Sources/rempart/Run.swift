internal import ArgumentParser
internal import Glibc
internal import Messages
internal import Spawning
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
        let places: [String]
        do throws(StartFailure) {
            places = try ProgramFolders.all().map { "\($0)/\(Role.supervisor.name)" }
        } catch {
            throw failure(error.description)
        }
        let rest = [
            "--settings", settings, "--state", state, "--runtime", runtime, "--log", log.rawValue,
        ]
        for path in places { Self.become(path, ["supervisor"] + rest) }
        throw failure(
            "cannot start \(places.joined(separator: " or ")): \(SystemError("", code: errno).reason);"
                + " install Rempart as a whole, or keep its binaries in one folder")
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
