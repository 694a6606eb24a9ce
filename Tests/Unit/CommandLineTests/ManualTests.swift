import ArgumentParser
import Checkout
import Foundation
import Messages
import Settings
import Testing

@testable import rempart

@Suite struct ManualTests {
    /// The page as a reader sees it.
    private func shown(_ page: Manual.Page) throws -> String {
        let arguments = ["-man", "-Tascii", "-P-cbou", "-rLL=200n"]
        let shown = try run("/usr/bin/groff", arguments, page.text)
        #expect(shown.status == 0 && shown.complaints.isEmpty, "\(shown.complaints)")
        return shown.text
    }

    /// What a program makes of a text, which it reads from a file: a pipe has less room.
    private func run(_ program: String, _ arguments: [String], _ text: String) throws -> Outcome {
        let name = "/tmp/rempart-test-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: name) }
        try Data(text.utf8).write(to: URL(fileURLWithPath: name))
        return try Outcome(arguments + [name], program: program)
    }

    @Test("rempart(8) has each command that --help shows, with its options")
    func commands() throws {
        let page = try shown(.command)
        let help = Rempart.helpMessage()
        #expect(CommandDescription.all.count >= 17)
        for command in CommandDescription.all {
            #expect(help.contains("\n  \(command.name) "), "\(command.name)")
            #expect(page.contains("rempart \(command.name)"), "\(command.name)")
            for argument in command.arguments { #expect(page.contains(argument.heading)) }
        }
        #expect(!page.contains("rempart manual") && !page.contains("--frames"))
        for section in ["NAME", "SYNOPSIS", "EXIT STATUS", "FILES", "SEE ALSO"] {
            #expect(page.contains("\n\(section)\n") || page.hasPrefix("\(section)\n"), "\(section)")
        }
        #expect(page.contains("Rempart \(productVersion)"))
    }

    @Test(
        "rempart.yaml(5) has each key with range and default, and its example is a file that serves"
    )
    func keys() throws {
        let page = try shown(.settings)
        let words = page.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for key in Schema.keys {
            #expect(words.contains(key.path), "\(key.path)")
            // What stands in backticks is bold on the page.
            #expect(words.contains(key.range.replacing("`", with: "")), "\(key.path)")
            if let standard = key.byDefault { #expect(page.contains("Default: \(standard).")) }
        }
        #expect(SettingsFile(Array(SettingsDocument.shortest.utf8)).diagnostics == [])
        #expect(page.contains("servers: [10.0.0.10:5060]"))
    }

    @Test("docs/SETTINGS.md is what the rows of the keys say, in lines that a person reads")
    func settingsDocument() throws {
        let kept = try Checkout.text(of: "docs/SETTINGS.md")
        // `.build/debug/rempart settings --markdown >docs/SETTINGS.md` writes it anew.
        #expect(kept == SettingsDocument.markdown)
        for key in Schema.keys { #expect(kept.contains("\n### \(key.path)\n")) }
        #expect(kept.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }

    @Test("docs/REASONS.md is what the table of reasons says, each with its columns")
    func reasonsDocument() throws {
        let kept = try Checkout.text(of: "docs/REASONS.md")
        // `.build/debug/rempart manual rempart-reasons --markdown >docs/REASONS.md` writes it anew.
        #expect(kept == ReasonsDocument.markdown)
        let lines = kept.split(separator: "\n")
        for reason in Reason.all {
            #expect(
                lines.contains { line in
                    line.hasPrefix("| `\(reason.code)` |") && line.contains(" \(reason.meaning) |")
                }, "\(reason.code)")
        }
        for kind in Condition.Kind.allCases {
            #expect(lines.contains("| `\(kind.name)` | \(kind.meaning) |"))
        }
        #expect(lines.contains { $0.hasPrefix("| `foreign-domain` | 403, 404 | | The domain is") })
        #expect(lines.contains { $0.hasPrefix("| `digest-uri` | 400 | `malformed` | ") })
        #expect(
            lines.contains(
                "| `wrong-password` | `wrong-password` | The password is wrong. |"
                    + " Compare the phone's password, user name and realm with the account's. |"))
        #expect(lines.filter { !$0.hasPrefix("|") }.allSatisfy { $0.count <= 100 })
    }

    @Test("no other page is printed in Markdown, and what to do is said")
    func noOtherDocument() {
        for page in Manual.Page.allCases where page != .reasons {
            #expect { try Manual.parse([page.rawValue, "--markdown"]) } throws: {
                Manual.message(for: $0).contains("rempart settings --markdown")
            }
        }
    }

    @Test("rempart-reasons(7) has each reason and each condition with what it means")
    func reasons() throws {
        let page = try shown(.reasons)
        let words = page.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for reason in Reason.all {
            let statuses = reason.statuses.map { "\($0.rawValue)" }.joined(separator: ", ")
            let term = statuses.isEmpty ? reason.code : "\(reason.code) (\(statuses))"
            let meaning = "\(term) \(reason.meaning)".replacing("`", with: "")
            #expect(
                words.contains(meaning.split(separator: " ").joined(separator: " ")),
                "\(reason.code)")
        }
        for kind in Condition.Kind.allCases {
            #expect(words.contains("\(kind.name) \(kind.meaning)"))
        }
    }

    @Test(
        "the pages are clean to both readers, and the same each time",
        arguments: Manual.Page.allCases)
    func clean(_ page: Manual.Page) throws {
        #expect(page.text == page.text)
        #expect(page.text.utf8.allSatisfy { $0 < 0x80 })
        let groff = try run("/usr/bin/groff", ["-man", "-Tutf8", "-wall", "-z"], page.text)
        #expect(groff.status == 0 && groff.complaints.isEmpty, "\(groff.complaints)")
        // mandoc finds fault with a date after today's, and a machine's clock may be behind.
        let older = page.text.replacing(productDate, with: "2020-01-01")
        let mandoc = try run("/usr/bin/mandoc", ["-Tlint"], older)
        #expect(mandoc.output.isEmpty && mandoc.status == 0, "\(mandoc.text)")
    }

    @Test("what describes commands is read as it was written")
    func json() {
        let text = #"{"a":[1,-2,true,false],"b":"x\"\\\n\u00e9","c":{},"d":[]}"#
        let read = JSON(text)
        #expect(read?["b"]?.string == "x\"\\\n\u{e9}")
        #expect(read?["a"]?.items == [.number(1), .number(-2), .bool(true), .bool(false)])
        #expect(JSON(read?.text ?? "") == read)
        for wrong in ["", "{", "[1,]", "{\"a\"}", "\"", "1 2", "null", "nul", "\"\\u12\"", "-"] {
            #expect(JSON(wrong) == nil, "\(wrong)")
        }
    }
}
