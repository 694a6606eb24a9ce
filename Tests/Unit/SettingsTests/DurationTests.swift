import Settings
import Sys
import Testing

@Suite struct DurationTests {
    @Test(
        "a duration is a number and a unit",
        arguments: [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), ("007s", 7)])
    func good(text: String, seconds: Int64) {
        #expect(Milliseconds(duration: text) == .seconds(seconds))
    }

    @Test(
        "anything else is none",
        arguments: ["", "s", "30", "30 s", "-1s", "+1s", "1.5h", "1w", "1234567890s", "1S", "٣s"])
    func bad(text: String) {
        #expect(Milliseconds(duration: text) == nil)
    }

    @Test("a span is written in the largest unit that divides it, and spoken in the two largest")
    func written() {
        #expect(Milliseconds.seconds(90).duration == "90s")
        #expect(Milliseconds.seconds(7200).duration == "2h")
        #expect(Milliseconds.seconds(0).duration == "0s")
        #expect(Milliseconds.seconds(3900).spoken == "1h 5m")
        #expect(Milliseconds.seconds(90_061).spoken == "1d 1h")
        #expect(Milliseconds.seconds(-5).spoken == "0s")
    }
}
