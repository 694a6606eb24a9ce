import AsteriskFiles
import MemoryFiles
import Testing

@Suite("a file that Asterisk does not take is a fault with file, line and sentence")
struct FaultTests {
    private static let faults: [(text: String, start: String)] = [
        ("x=1\n[a]\n", "/ast/m.conf:1: the line stands above every section"),
        ("[a]\n[b\n", "/ast/m.conf:2: the section's name does not end with ]"),
        ("[a](!\nx=1\n", "/ast/m.conf:1: the section's options do not end with )"),
        ("[a](A)\n", "/ast/m.conf:1: there is no section [A] above to inherit from"),
        ("[a]\n[b]( a)\n", "/ast/m.conf:2: there is no section [ a] above to inherit from"),
        ("[t](!)\n[t](+)\n", "/ast/m.conf:2: there is no section [t] above that (+)"),
        ("[a]\nx=1\n[a](+x=2)\n", "/ast/m.conf:3: there is no section [a] above that (+)"),
        ("[a]\nx=1\n[a](+x)\n", "/ast/m.conf:3: there is no section [a] above that (+)"),
        ("[a]\nx=1\n[a](+x=(1)\n", "/ast/m.conf:3: there is no section [a] above that (+)"),
        ("[a]\n\\ x=1\n", "/ast/m.conf:2: nothing stands behind the backslash"),
        ("[a]\n\\\n", "/ast/m.conf:2: nothing stands behind the backslash"),
        ("[a]\n\\ü=1\n", "/ast/m.conf:2: nothing stands behind the backslash"),
    ]

    @Test("a fault", arguments: faults.indices)
    func faultOf(index: Int) {
        let (text, start) = Self.faults[index]
        #expect(fault(text)?.hasPrefix(start) == true, "\(String(describing: fault(text)))")
    }

    private static let hangs: [(text: String, line: Int)] = [
        ("[a]\nx=1\n[a](+,a)\n", 3),
        ("[a]\n" + String(repeating: ";--\n", count: 129), 130),
    ]

    @Test("where Asterisk would hang, nothing hangs", arguments: hangs.indices)
    func hang(index: Int) {
        let (text, line) = Self.hangs[index]
        let found = fault(text)
        #expect(found?.hasPrefix("/ast/m.conf:\(line): ") == true)
        #expect(found?.hasSuffix("Asterisk hangs here") == true)
    }

    @Test(
        "filters that could keep libc busy are refused", arguments: ["x={1}", "a\\1=b", "x='a'"])
    func filter(text: String) {
        #expect(fault("[a]\nx=1\n[a](+\(text))\n")?.hasSuffix("write it without") == true)
        let long = String(repeating: "x", count: 200)
        #expect(fault("[a]\nx=1\n[a](+x=\(long))\n")?.hasSuffix("write it without") == true)
    }

    @Test("a file that may not be read is a fault with the remedy, though #tryinclude names it")
    func unreadable() {
        let memory = MemoryFiles(
            ["/ast/m.conf": bytes("[a]\n#tryinclude secret\n")], unreadable: ["/ast/secret"])
        var folder = AsteriskFolder("/ast", files: memory)
        let error = #expect(throws: ConfigurationFault.self) {
            try folder.configuration("m.conf")
        }
        #expect(
            error?.description
                == "/ast/m.conf:2: cannot open /ast/secret: Permission denied: let the group of accounts-reader read it"
        )
    }

    @Test("a file that is not there is none")
    func absent() throws {
        var folder = folder([:])
        #expect(try folder.configuration("pjsip.conf") == nil)
    }
}

@Suite("what a folder may cost is bounded")
struct LimitTests {
    private func fault(
        _ text: String, _ change: (inout ConfigurationLimits) -> Void
    ) -> String? {
        var limits = ConfigurationLimits()
        change(&limits)
        var folder = folder(["m.conf": text], limits: limits)
        do {
            _ = try folder.configuration("m.conf")
            return nil
        } catch { return error.description }
    }

    @Test("the limits of the product")
    func standard() {
        let limits = ConfigurationLimits()
        #expect(limits.bytes == 64 << 20)
        #expect(limits.files == 200_000)
        #expect(limits.sections == 100_000)
        #expect(limits.variables == 2_000_000)
        #expect(limits.steps == 200_000_000)
        #expect(limits.findings == 1_000)
        #expect(ConfigurationLimits.depth == 10)
    }

    @Test("bytes")
    func bytes() {
        #expect(fault("[a]\nx=1\n") { $0.bytes = 8 } == nil)
        #expect(fault("[a]\nx=1\n") { $0.bytes = 7 }?.contains("more bytes than") == true)
        // All files together.
        let twice = "[a]\n#include m.conf\n"
        #expect(fault(twice) { $0.bytes = 100 }?.contains("more bytes than") == true)
    }

    @Test("inclusions, though they name nothing")
    func inclusions() {
        let text = "[a]\n" + String(repeating: "#tryinclude none*\n", count: 10)
        #expect(fault(text) { $0.files = 12 } == nil)
        #expect(fault(text) { $0.files = 11 }?.contains("more inclusions") == true)
    }

    @Test("sections")
    func sections() {
        let text = "[a]\n[b]\n[c]\n"
        #expect(fault(text) { $0.sections = 3 } == nil)
        #expect(
            fault(text) { $0.sections = 2 }
                == "/ast/m.conf:3: there are more sections than Rempart reads: take out what is no account"
        )
    }

    @Test("variables, though each section doubles them")
    func variables() {
        #expect(fault("[a]\nx=1\ny=1\n") { $0.variables = 2 } == nil)
        #expect(fault("[a]\nx=1\ny=1\n") { $0.variables = 1 }?.contains("variables") == true)
        let doubling = (1...64).map { "[a\($0)](a\($0 - 1),a\($0 - 1))\n" }.joined()
        #expect(fault("[a0]\nx=1\n" + doubling) { _ in }?.contains("more variables") == true)
    }

    @Test("what += and filters look at")
    func steps() {
        let added = String(repeating: "x+=1\n", count: 100)
        #expect(fault("[a]\n" + added) { _ in } == nil)
        #expect(fault("[a]\n" + added) { $0.steps = 1_000 }?.contains("with += or") == true)
        let filtered = "[a]\nx=1\n" + String(repeating: "[a](+x=1)\ny=1\n", count: 100)
        #expect(fault(filtered) { $0.filterBytes = 1_000 }?.contains("filters of (+") == true)
    }

    @Test("an included program is told behind whatever else there is to say")
    func missing() throws {
        var limits = ConfigurationLimits()
        limits.findings = 2
        let text = "[a]\n" + String(repeating: "no value\n", count: 5) + "#exec /bin/true\n"
        var folder = folder(["m.conf": text], limits: limits)
        _ = try folder.configuration("m.conf")
        #expect(folder.findings.count == 3 && folder.findings.last?.kind == .missing)
    }

    @Test("findings: the others are left out")
    func findings() throws {
        var limits = ConfigurationLimits()
        limits.findings = 3
        let text = "[a]\n" + String(repeating: "junk\n", count: 10)
        var folder = folder(["m.conf": text], limits: limits)
        _ = try folder.configuration("m.conf")
        #expect(folder.findings.count == 3)
    }
}
