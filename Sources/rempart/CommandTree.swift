internal import ArgumentParser

/// A command as swift-argument-parser describes it to tools: what `--help` is made from.
struct CommandDescription {
    /// One option, flag or argument.
    struct Argument {
        /// As it stands in a synopsis: "[--json]", "<address>".
        let usage: String
        /// As a heading: "--for SPAN".
        let heading: String
        /// What it is for.
        let meaning: String
        /// Its value when it is left out, empty for none.
        let byDefault: String
    }

    /// The word after `rempart`.
    let name: String
    /// What it does, in a sentence.
    let abstract: String
    /// What else is to be known, in paragraphs.
    let discussion: String
    /// Its arguments and options, but for --help and --version.
    let arguments: [Argument]

    /// The commands that `--help` shows, in its order.
    static var all: [CommandDescription] {
        let root = JSON(Rempart._dumpHelp())?["command"]
        return (root?["subcommands"]?.items ?? []).filter(isShown).map(CommandDescription.init)
    }

    private init(_ json: JSON) {
        name = json["commandName"]?.string ?? ""
        abstract = json["abstract"]?.string ?? ""
        discussion = json["discussion"]?.string ?? ""
        arguments = (json["arguments"]?.items ?? []).filter { argument in
            let name = argument["preferredName"]?["name"]?.string
            return Self.isShown(argument) && name != "help" && name != "version"
        }.map(Argument.init)
    }

    private static func isShown(_ json: JSON) -> Bool {
        json["shouldDisplay"] != .bool(false) && json["commandName"]?.string != "help"
    }
}

extension CommandDescription.Argument {
    fileprivate init(_ json: JSON) {
        let value = json["valueName"]?.string ?? "value"
        let name = "--" + (json["preferredName"]?["name"]?.string ?? "")
        let isOptional = json["isOptional"] == .bool(true)
        switch json["kind"]?.string {
        case "positional":
            heading = value.uppercased()
            usage = isOptional ? "[\(heading)]" : heading
        case "flag":
            heading = name
            usage = "[\(name)]"
        default:
            heading = "\(name) \(value.uppercased())"
            usage = isOptional ? "[\(heading)]" : heading
        }
        meaning = json["abstract"]?.string ?? ""
        byDefault = json["defaultValue"]?.string ?? ""
    }
}
