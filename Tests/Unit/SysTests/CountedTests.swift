import Sys
import Testing

@Test("one of a kind has no plural") func counted() {
    #expect([0, 1, 2].map { $0.counted("phone") } == ["0 phones", "1 phone", "2 phones"])
}
