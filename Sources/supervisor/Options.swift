/// The supervisor's command line: where its settings, state and control socket are.
struct Options: Equatable {
    /// The settings file.
    var settings = "/etc/rempart/rempart.yaml"
    /// The folder that outlives the daemon: token secret, bindings, bans.
    var state = "/var/lib/rempart"
    /// The folder of the control socket.
    var runtime = "/run/rempart"

    /// How the command line is to be.
    static let usage = "supervisor [--settings FILE] [--state FOLDER] [--runtime FOLDER]"

    /// Why a command line is not understood; exit 2.
    struct UsageError: Error, Equatable {
        /// What is wrong, with the right usage.
        let message: String
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
            default:
                throw UsageError(message: "unknown option \(name); usage: \(Self.usage)")
            }
            guard let value = rest.next(), !value.isEmpty else {
                throw UsageError(message: "\(name) needs a path; usage: \(Self.usage)")
            }
            self[keyPath: target] = value
        }
    }

    /// The path of the control socket.
    var control: String { "\(runtime)/control" }
}
