import Foundation
import Testing

@testable import rempart

/// The completions as the shells use them.
@Suite struct CompletionTests {
    /// What a shell makes of a script, after the completions for it were written to the file that it names.
    private func shell(_ name: String, _ script: (String) -> String) throws -> [String] {
        let path = "/tmp/rempart-test-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let completions = try Outcome(["--generate-completion-script", name])
        #expect(completions.status == 0)
        try Data(completions.output).write(to: URL(fileURLWithPath: path))
        let outcome = try Outcome(["-c", script(path)], program: "/usr/bin/\(name)")
        #expect(outcome.status == 0 && outcome.complaints.isEmpty, "\(outcome.complaints)")
        return outcome.text.split(separator: "\n").map { line in
            String(line.prefix { $0 != "\t" })
        }
    }

    /// What bash offers after a line.
    private func offered(_ line: String) throws -> [String] {
        try shell("bash") { path in
            // As bash-completion and readline set it up.
            """
            shopt -s extglob; source \(path)
            COMP_LINE='\(line)'; COMP_POINT=${#COMP_LINE}; read -ra COMP_WORDS <<<"$COMP_LINE"
            [[ $COMP_LINE != *' ' ]] || COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _rempart rempart "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        }
    }

    @Test("bash offers commands, components, options and the files that a command takes")
    func bash() throws {
        #expect(Set(try offered("rempart re")) == ["restart", "reload", "release", "restore"])
        let components = [
            "accounts-reader", "directory", "banner", "tls-terminator", "sip-router",
        ]
        #expect(try offered("rempart restart ") == components)
        #expect(try offered("rempart status --j") == ["--json"])
        #expect(try offered("rempart unban a") == ["all"])
        let all = try offered("rempart ")
        #expect(all.contains("backup") && !all.contains("manual"))
        let name = "/tmp/rempart-test-\(UUID().uuidString)"
        for ending in ["yaml", "txt"] {
            try Data().write(to: URL(fileURLWithPath: "\(name).\(ending)"))
        }
        defer {
            for ending in ["yaml", "txt"] {
                try? FileManager.default.removeItem(atPath: "\(name).\(ending)")
            }
        }
        #expect(try offered("rempart check --settings \(name)") == ["\(name).yaml"])
        #expect(Set(try offered("rempart restore \(name)")) == ["\(name).yaml", "\(name).txt"])
    }

    @Test("fish offers commands and components")
    func fish() throws {
        let offered = try shell("fish") { path in
            "source \(path); complete -C 'rempart re'; complete -C 'rempart restart '"
        }
        #expect(Set(offered).isSuperset(of: ["restart", "restore", "banner", "tls-terminator"]))
    }

    @Test("zsh reads its completions")
    func zsh() throws {
        #expect(try shell("zsh") { "zsh -n \($0) && grep -c sip-router \($0)" } == ["1"])
    }
}
