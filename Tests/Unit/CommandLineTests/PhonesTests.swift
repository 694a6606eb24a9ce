import Messages
import Sys
import Testing

@testable import rempart

@Suite struct PhonesTests {
    @Test("phones have the fixed JSON shape, and a table for people")
    func phones() throws {
        let row = PhoneRow(
            account: "1001", transport: .udp,
            address: try #require(SocketAddress("198.18.1.1:5060")),
            contact: "sip:1001@198.18.1.1", expires: .seconds(3599), userAgent: "")
        #expect(
            Phones.json([row]).text
                == #"[{"account":"1001","transport":"udp","address":"198.18.1.1:5060","#
                + #""contact":"sip:1001@198.18.1.1","expires":3599,"userAgent":"","reachable":true,"answers":true}]"#
        )
        #expect(Phones.text([row]).contains("yes        -      59m 59s"))
        var gone = row
        gone.presence = .gone
        gone.silence = .seconds(125)
        #expect(Phones.text([gone]).contains("no         2m 5s ago  59m 59s"))
        #expect(
            Phones.json([gone]).text.hasSuffix(#""reachable":false,"answers":false,"heard":125}]"#))
        gone.presence = .mute
        #expect(Phones.text([gone]).contains("unknown    2m 5s ago"))
        #expect(Phones.text([]) == "No phone is registered.")
    }
}
