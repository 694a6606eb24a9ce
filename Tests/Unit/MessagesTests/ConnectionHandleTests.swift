import Messages
import Testing

@Suite("ConnectionHandle")
struct ConnectionHandleTests {
    @Test("a handle tells its keeper and its place", arguments: [UInt16(0), 7, 19_999, .max])
    func layout(_ place: UInt16) {
        for transport in [Transport.tcp, .tls] {
            let handle = ConnectionHandle(transport, place: place)
            #expect(handle.transport == transport && handle.place == Int(place))
            #expect(ConnectionHandle(raw: handle.raw) == handle)
            #expect(handle.raw != 0 && handle.raw != .max)
        }
    }

    @Test("no place gets the same handle again")
    func unlike() {
        var handles: Set<ConnectionHandle> = []
        for _ in 0..<20_000 {
            #expect(handles.insert(ConnectionHandle(.tls, place: 0)).inserted)
        }
        // 47 bits are drawn, of which each is 0 for some and 1 for others.
        let all = handles.reduce(0) { $0 | $1.raw }
        let common = handles.reduce(UInt64.max) { $0 & $1.raw }
        #expect(all == (1 << 63 - 1) & ~0xFFFF && common == 0)
    }
}
