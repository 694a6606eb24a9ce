internal import Messages
internal import Settings

/// What is written of the settings in each document: rempart.yaml(5), and docs/SETTINGS.md, which is printed here.
enum SettingsDocument {
    /// How the file is written, in paragraphs.
    static let introduction = """
        The file is YAML, and read strictly. An unknown key, a value out of its range, and a key that stands \
        twice are errors, and the edge does not start with one. `rempart check` shows every fault with its place.

        `systemctl reload rempart` takes up a changed file. A wrong one changes nothing, and the reload fails. A key \
        of a group is written below the group's name: `accounts.source` is `source` below `accounts`. NAME in a \
        key stands for a name of your own. A list is `[a, b]`, or one item a line.
        """

    /// A file of the keys that every file has, with their examples.
    static var shortest: String {
        var groups: [(name: Substring, lines: [String])] = []
        for key in Schema.keys where key.isInEveryFile && !key.isUnderName {
            let words = key.path.split(separator: ".")
            let line = "\(words.last ?? ""): \(key.example)"
            let group = words.count > 1 ? words[0] : ""
            if let last = groups.indices.last, groups[last].name == group {
                groups[last].lines.append(line)
            } else {
                groups.append((group, [line]))
            }
        }
        return groups.map { group in
            group.name.isEmpty
                ? group.lines.joined(separator: "\n")
                : "\(group.name):\n" + group.lines.map { "  \($0)" }.joined(separator: "\n")
        }.joined(separator: "\n")
    }

    /// docs/SETTINGS.md.
    static var markdown: String {
        var lines = [
            "# Settings", "",
            "Printed by `rempart settings --markdown`; `rempart settings` shows the same on a terminal.",
            "",
        ]
        for paragraph in introduction.split(separator: "\n\n") {
            lines += Markdown.filled(String(paragraph)) + [""]
        }
        lines += ["The shortest file that serves:", "", "```yaml", shortest, "```"]
        var group: Substring?
        for key in Schema.keys {
            let name = key.path.contains(".") ? key.path.prefix { $0 != "." } : ""
            if name != group {
                lines += ["", name.isEmpty ? "## At the top of the file" : "## \(name)"]
                group = name
            }
            lines += entry(key)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func entry(_ key: SettingKey) -> [String] {
        let items =
            [ShowSettings.need(key), "range: \(Markdown.escaped(key.range))"]
            + (key.byDefault.map { ["default: `\($0)`"] } ?? []) + ["example: `\(key.example)`"]
        return ["", "### \(key.path)", ""] + Markdown.filled(key.meaning) + [""]
            + items.flatMap { item in
                wrapped(item, width: Markdown.width - 2).enumerated().map {
                    $0 == 0 ? "* \($1)" : "  \($1)"
                }
            }
    }
}
