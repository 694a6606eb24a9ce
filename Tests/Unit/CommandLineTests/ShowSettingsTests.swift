import Messages
import Settings
import Testing

@testable import rempart

@Suite struct ShowSettingsTests {
    @Test("the documentation names every key with its range and default")
    func settings() {
        for key in Schema.keys {
            #expect(ShowSettings.text.contains("\(key.path)  ("))
            #expect(ShowSettings.json.text.contains(#""key":"\#(key.path)""#))
        }
    }
}
