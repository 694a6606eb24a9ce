internal import Journal
internal import Messages
internal import Spawning
internal import Sys

/// Whether the programs on disk are still those that this daemon was started from.
///
/// After an upgrade without a restart, the next child would be a new program under an old supervisor. A frame of
/// another version ends that child; with the same version nobody would notice. The files tell before any child is
/// started, and without a word of the child.
struct ProgramWatch {
    /// How often it is looked; besides before each start of a child.
    private static let interval = Milliseconds.seconds(5)

    private let folder: String
    /// The programs' names, and what their files were at the start; nil where there was none.
    private let programs: [(name: String, stamp: FileStamp?)]
    /// Those whose files are others now, or gone.
    private(set) var replaced: [String] = []
    /// When it is looked next.
    private(set) var next: Milliseconds

    /// A watch over the children's programs, the reader of the settings, and the supervisor's own, in a folder.
    ///
    /// `running` is the path by which the kernel knows the supervisor's own file, whatever stands in its place.
    init(_ folder: String, running: String = "/proc/self/exe", at now: Milliseconds) {
        self.folder = folder
        programs =
            [(Role.supervisor.name, FileStamp(running))]
            + (["rempart"] + Role.children.map(\.name)).map { ($0, FileStamp("\(folder)/\($0)")) }
        next = now + Self.interval
    }

    /// Looks at each file; true when some are others than before for the first time.
    mutating func look(at now: Milliseconds) -> Bool {
        next = now + Self.interval
        let wasWhole = replaced.isEmpty
        replaced = programs.filter { !isTheSame($0.stamp, FileStamp("\(folder)/\($0.name)")) }
            .map(\.name)
        return wasWhole && !replaced.isEmpty
    }

    private func isTheSame(_ before: FileStamp?, _ now: FileStamp?) -> Bool {
        guard let before, let now else { return before == nil && now == nil }
        return now.hasSameContent(as: before)
    }

    /// What is wrong while they are others.
    var condition: Condition? {
        guard !replaced.isEmpty else { return nil }
        return Condition(
            .programs,
            "the programs in \(folder) are not those this daemon was started from (replaced:"
                + " \(replaced.joined(separator: ", "))); restart it: systemctl restart rempart",
            recorded: .begin)
    }
}

extension Supervisor {
    /// Looks whether the programs were replaced, and records it once.
    func lookAtPrograms() {
        guard programs.look(at: now), let condition = programs.condition else { return }
        journal.write(.programsReplaced, .warning, condition.text, [(.file, spawner.folder)])
    }
}
