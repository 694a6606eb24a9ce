internal import ArgumentParser
internal import Messages

/// The root of the command line.
struct Rempart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rempart",
        abstract: "The wall in front of an Asterisk: checks, starts, shows and steers the edge.",
        version: "rempart \(productVersion)",
        subcommands: [
            Run.self, Check.self, ShowSettings.self, Status.self, Accounts.self, Phones.self,
            Bans.self, Ban.self,
            Unban.self, Why.self, Explain.self, Allow.self, Calls.self, Release.self, Restart.self,
            Reload.self, Backup.self, Restore.self, Manual.self,
        ])
}

/// Where things are when nothing else is said.
enum Standard {
    static let settingsFolder = "/etc/rempart"
    static let settings = "\(settingsFolder)/rempart.yaml"
    static let sample = "/usr/share/doc/rempart/examples/rempart.yaml"
    static let state = "/var/lib/rempart"
    static let runtime = "/run/rempart"
}

/// How a command finds the daemon it talks to.
struct DaemonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The runtime folder of the daemon to talk to.", valueName: "folder"),
        completion: .directory)
    var runtime = Standard.runtime

    /// The rows of the daemon's answer.
    func ask(_ request: ControlRequest) throws -> [ControlReply] {
        do throws(ControlError) {
            return try ControlClient(runtime: runtime).ask(request)
        } catch let problem {
            throw failure(problem.description)
        }
    }

    /// Hands over each ban in force.
    func list(_ take: (borrowing PackedBan) -> Void) throws {
        do throws(ControlError) {
            try ControlClient(runtime: runtime).list(take)
        } catch let problem {
            throw failure(problem.description)
        }
    }
}

/// How a command shows what it found.
struct TableOptions: ParsableArguments {
    @Flag(help: "Print JSON instead of a table.")
    var json = false

    /// Prints one of the two forms.
    func show(json: @autoclosure () -> JSON, text: @autoclosure () -> String) {
        print(self.json ? json().text : text())
    }
}
