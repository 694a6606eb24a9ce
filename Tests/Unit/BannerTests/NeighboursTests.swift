internal import Messages
internal import Sys
internal import Testing

@testable internal import banner

@Suite("Neighbours")
struct NeighboursTests {
    @Test("eight banned neighbours within a day are enough, fewer or older ones are not")
    func neighbours() throws {
        var neighbours = Neighbours()
        for host in 1...6 {
            #expect(!neighbours.add(try net("198.18.0.\(host)"), now: .seconds(0)))
        }
        #expect(!neighbours.add(try net("198.18.1.1"), now: .seconds(0)))
        for host in 7...13 {
            #expect(!neighbours.add(try net("198.18.0.\(host)"), now: .seconds(86_401)))
        }
        #expect(neighbours.add(try net("198.18.0.14"), now: .seconds(86_401)))
        #expect(neighbours.members(of: try net("198.18.0.0/24")).count == 8)
    }
}
