internal import Journal

/// In what form records are written.
enum LogForm: String, CaseIterable {
    /// To journald where systemd started the daemon, else as readable lines to standard error.
    case text
    /// To standard error as JSON, one object a line.
    case json
}

/// The supervisor's command line: where its settings, state and control socket are, and what surrounds it.
struct Options: Equatable {
    /// The settings file.
    var settings = "/etc/rempart/rempart.yaml"
    /// The folder that outlives the daemon: token secret, bindings, bans.
    var state = "/var/lib/rempart"
    /// The folder of the control socket.
    var runtime = "/run/rempart"
    /// In what form records are written.
    var log = LogForm.text
    /// Whether this is a container, in which the edge does not start without what it needs (`ContainerNeeds`).
    var isContainer = false

    /// How the command line is to be.
    static let usage =
        "supervisor [--settings FILE] [--state FOLDER] [--runtime FOLDER] [--log text|json] [--container]"

    /// Why a command line is not understood; exit 2.
    struct UsageError: Error, Equatable {
        /// What is wrong, with the right usage.
        let message: String
        /// The form of records that was asked for before that place.
        let log: LogForm
    }

    /// The options of the arguments after the program's name.
    init(_ arguments: some Sequence<String>) throws(UsageError) {
        var rest = arguments.makeIterator()
        while let name = rest.next() {
            let target: WritableKeyPath<Options, String>
            switch name {
            case "--settings": target = \.settings
            case "--state": target = \.state
            case "--runtime": target = \.runtime
            case "--log":
                guard let form = rest.next().flatMap(LogForm.init) else {
                    throw wrong("--log needs text or json")
                }
                log = form
                continue
            case "--container":
                isContainer = true
                continue
            default: throw wrong("unknown option \(name)")
            }
            guard let value = rest.next(), !value.isEmpty else {
                throw wrong("\(name) needs a path")
            }
            self[keyPath: target] = value
        }
    }

    private func wrong(_ what: String) -> UsageError {
        UsageError(message: "\(what); usage: \(Self.usage)", log: log)
    }

    /// The path of the control socket.
    var control: String { "\(runtime)/control" }
}

extension Journal {
    /// The supervisor's own journal in a form, with journald's socket if there is one.
    convenience init(_ form: LogForm, socket: Int32?) {
        self.init(process: "supervisor", socket: socket)
        if form == .json { use(json: StandardError.descriptor) }
    }
}
