import Glibc
import Messages
import Sys
import Testing
import Wire

@testable import supervisor

@Suite struct OptionsTests {
    @Test("without arguments the system's own places are used")
    func defaults() throws {
        let options = try Options([])
        #expect(options.settings == "/etc/rempart/rempart.yaml")
        #expect(options.state == "/var/lib/rempart")
        #expect(options.control == "/run/rempart/control")
        #expect(options.log == .text && !options.isContainer)
    }

    @Test("the form of the records and the container are named beside the places")
    func surroundings() throws {
        let options = try Options(["--log", "json", "--container", "--state", "/t"])
        #expect(options.log == .json && options.isContainer && options.state == "/t")
        #expect(try Options(["--log", "text"]).log == .text)
    }

    @Test("what is wrong with a command line is told in the form that it asks for before")
    func formOfRefusal() {
        #expect { try Options(["--log", "json", "x"]) } throws: { error in
            (error as? Options.UsageError)?.log == .json
        }
    }

    @Test("each place can be named")
    func named() throws {
        let options = try Options(["--runtime", "/r", "--settings", "/s", "--state", "/t"])
        #expect(options.settings == "/s" && options.state == "/t" && options.runtime == "/r")
    }

    @Test(
        "a command line that is not understood is refused with the right usage",
        arguments: [
            ["--port", "1"], ["--state"], ["--state", ""], ["x"], ["--log"], ["--log", "xml"],
        ])
    func refused(_ arguments: [String]) {
        #expect { try Options(arguments) } throws: { error in
            (error as? Options.UsageError)?.message.contains(Options.usage) == true
        }
    }
}
