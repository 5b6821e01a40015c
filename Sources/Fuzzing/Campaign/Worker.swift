import Foundation

/// The side of a process that checks cases, asked through its standard input until that ends.
package enum Worker {
    package static func serve() {
        let (encoder, decoder) = (JSONEncoder(), JSONDecoder())
        while let line = readLine() {
            guard let request = try? decoder.decode(WorkRequest.self, from: Data(line.utf8)) else { continue }
            let outcome = Checker.check(request.item, request.kind)
            guard var reply = try? encoder.encode(WorkReply(outcome: outcome)) else { continue }
            reply.append(UInt8(ascii: "\n"))
            FileHandle.standardOutput.write(reply)
        }
    }
}
