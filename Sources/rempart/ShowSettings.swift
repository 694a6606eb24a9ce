internal import ArgumentParser
internal import Glibc
internal import Messages
internal import Settings
internal import Sys

/// `rempart settings`: every key with its default, range and meaning.
struct ShowSettings: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings",
        abstract: "Explain every key of the settings file: default, range, meaning.")

    @OptionGroup var table: TableOptions
    @Flag(help: .hidden)
    var frames = false
    @Flag(help: .hidden)
    var markdown = false
    @Option(help: .hidden)
    var name = "settings"

    func run() throws {
        if frames {
            try writeFrames()
        } else if markdown {
            print(SettingsDocument.markdown, terminator: "")
        } else {
            table.show(json: Self.json, text: Self.text)
        }
    }

    /// Reads a settings text from standard input and writes its frames, each after its length in
    /// two bytes, to standard output.
    ///
    /// The supervisor runs it, so that it parses no text itself.
    private func writeFrames() throws {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try readAll(STDIN_FILENO, limit: SettingsFile.maximumLength, name: name)
        } catch {
            throw failure(error.description)
        }
        let file = SettingsFile(bytes)
        for diagnostic in file.diagnostics { complain(file.rendered(diagnostic, file: name)) }
        guard file.isGood else { throw ExitCode(1) }
        guard write(STDOUT_FILENO, Self.stream(of: file)) else {
            throw failure(SystemError("write settings", code: errno).description)
        }
    }

    /// The frames of a good file, each after its length in two bytes, big-endian.
    static func stream(of file: SettingsFile) -> [UInt8] {
        file.settings.flatMap { setting in
            let frame = setting.encoded()
            return [UInt8(frame.count >> 8), UInt8(frame.count & 0xFF)] + frame
        }
    }

    /// When a key must be there, in words.
    static func need(_ key: SettingKey) -> String {
        switch key.need {
        case .always: key.isUnderName ? "required in each" : "required"
        case .alwaysUnless(let older): "required, or its older name \(older)"
        case .withTLS: "required with tls://"
        case .never: "optional"
        }
    }

    /// The keys as a person reads them.
    static var text: String {
        Schema.keys.map { key in
            var lines = ["\(key.path)  (\(need(key)))"]
            lines += wrapped(key.meaning, width: 84)
            lines.append("range    \(key.range)")
            if let standard = key.byDefault { lines.append("default  \(standard)") }
            lines.append("example  \(key.example)")
            return lines.joined(separator: "\n    ")
        }.joined(separator: "\n\n")
    }

    /// The keys as JSON.
    static var json: JSON {
        .array(
            Schema.keys.map { key in
                var members: [JSON.Member] = [
                    .init("key", .string(key.path)), .init("need", .string(need(key))),
                    .init("list", .bool(key.items != nil)), .init("range", .string(key.range)),
                    .init("example", .string(key.example)), .init("meaning", .string(key.meaning)),
                ]
                if let standard = key.byDefault {
                    members.append(.init("default", .string(standard)))
                }
                return .object(members)
            })
    }
}

/// The text in lines of at most so many characters, but for words that are longer.
func wrapped(_ text: String, width: Int) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
        let last = lines[lines.count - 1]
        if last.isEmpty {
            lines[lines.count - 1] = String(word)
        } else if last.count + 1 + word.count <= width {
            lines[lines.count - 1] += " \(word)"
        } else {
            lines.append(String(word))
        }
    }
    return lines
}
