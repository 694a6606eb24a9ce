internal import Glibc
internal import Messages
internal import Reactor
internal import Spawning
internal import Sys

/// Why the source of the accounts could not be looked at.
enum LookFailure: Error {
    /// accounts-reader cannot be started: why, and what to do.
    case notStarted(String)
    /// It was started and then ended, or left when it hangs in the kernel.
    case givenUp(SourceProblem, ReaderProcess.End)
}

/// An accounts-reader of our own, started for one look as the supervisor starts it; needs root.
///
/// It dies with this process, however that ends (`CLinux/spawn.c`).
struct ReaderProcess: ~Copyable {
    /// Our ends of its links.
    let links: ReaderLinks
    private let pid: Int32
    private let errors: ErrorOutput
    private let ends: Signals

    /// How long it may take to end once it is told, and how long once it is killed.
    private static let stopLimit = Milliseconds(1500), killLimit = Milliseconds.seconds(2)

    /// How it ended.
    struct End {
        /// In words; nil when it is still there, since it hangs in the kernel.
        let how: String?
        /// What it wrote last to its standard error.
        let lastWords: String?
    }

    /// Starts it with what it reads of the settings.
    static func start(_ settings: [Setting]) throws(LookFailure) -> ReaderProcess {
        do {
            return try started(settings)
        } catch let error as SystemError {
            throw .notStarted(error.withRemedy)
        } catch {
            throw .notStarted("\(error)")
        }
    }

    private static func started(_ settings: [Setting]) throws -> ReaderProcess {
        let spawner = Spawner(folder: try folder(), isRoot: true)
        let user = try spawner.user(of: .accountsReader)
        // Before it can end: what is not waited for yet would be lost.
        let ends = try Signals([SIGCHLD])
        let (supervision, itsEnd) = try Link.pair()
        let (directory, peer) = try Link.pair()
        let (errors, writing) = try ErrorOutput.open(waits: false, at: Clock.monotonic)
        let pid = try spawner.start(.accountsReader, user: user, link: itsEnd, errors: writing)
        let links = ReaderLinks(supervision: Link(supervision), directory: Link(directory))
        links.begin(settings, peer: peer)
        return ReaderProcess(links: links, pid: pid, errors: errors, ends: ends)
    }

    /// The folder that has the program.
    private static func folder() throws(StartFailure) -> String {
        let folders = try ProgramFolders.all()
        let name = Role.accountsReader.name
        let found = folders.first { unsafe access("\($0)/\(name)", X_OK) == 0 }
        guard let found else {
            throw StartFailure(
                "there is no \(name) in \(folders.joined(separator: " or ")): "
                    + "install Rempart as a whole, or keep its programs in one folder")
        }
        return found
    }

    /// Ends it: it is told to, or killed at once when it `hangs`.
    func end(hangs: Bool) -> End {
        _ = links.supervision.send(SupervisorMessage.stop.encoded().frame)
        var how = hangs ? nil : wait(Self.stopLimit)
        if how == nil {
            _ = kill(pid, SIGKILL)
            how = wait(Self.killLimit)
        }
        return End(how: how, lastWords: errors.lines(at: Clock.monotonic).last)
    }

    /// Waits until it has ended; nil when it has not by then.
    private func wait(_ limit: Milliseconds) -> String? {
        let deadline = Clock.monotonic + limit
        guard var poller = try? Poller(capacity: 1),
            (try? poller.add(ends.raw, Token(kind: 0), .read)) != nil
        else { return nil }
        while true {
            if let end = Spawner.reap() { return Spawner.words(code: end.code, signal: end.signal) }
            let left = deadline - Clock.monotonic
            guard left.count > 0 else { return nil }
            _ = poller.wait(left)
            while ends.next() != nil {}
        }
    }
}
