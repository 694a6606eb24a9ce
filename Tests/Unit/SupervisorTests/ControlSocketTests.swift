import Glibc
import Messages
import Sys
import Testing
import Wire

@testable import supervisor

@Suite struct ControlSocketTests {
    static let looking: [ControlRequest] = [.status, .asterisks, .phones, .bans]
    static let changing: [ControlRequest] = [
        .ban(IPAddress(v4: 1), .seconds(1), ""), .unban(nil), .restart(.router), .reload,
    ]

    @Test("anybody who may connect may look", arguments: looking)
    func looks(_ request: ControlRequest) {
        #expect(ControlSocket.mayAsk(request, uid: 1234, ownUID: 0))
    }

    @Test("only root and the daemon's own user may change something", arguments: changing)
    func changes(_ request: ControlRequest) {
        #expect(!ControlSocket.mayAsk(request, uid: 1234, ownUID: 0))
        #expect(!ControlSocket.mayAsk(request, uid: 1234, ownUID: 1000))
        #expect(ControlSocket.mayAsk(request, uid: 1000, ownUID: 1000))
        #expect(ControlSocket.mayAsk(request, uid: 0, ownUID: 1000))
    }
}
