import Foundation
import RecSource
import TestSupport
import Testing

@testable import RecCodeGen

/// LLVM is loaded when it is needed, or it is said why not.
@Suite struct LLVMLibraryTests {
    @Test func aMissingLibraryIsAnError() throws {
        let error = try #require(throws: Diagnostic.self) { try LLVMLibrary.load(["/nowhere/libLLVM.so", "libLLVM-nowhere.so"]) }
        #expect(error.id == .llvmMissing)
        #expect(error.message.contains("LLVM 19") && error.message.contains("/nowhere/libLLVM.so: cannot open"), "\(error.message)")
        #expect(error.message.contains("libLLVM-nowhere.so"), "\(error.message)")
        #expect(error.help?.contains("apt install llvm-19-dev") == true && error.help?.contains(LLVMLibrary.variable) == true)
    }

    @Test func anotherLibraryIsAnError() throws {
        let error = try #require(throws: Diagnostic.self) { try LLVMLibrary.load(["libm.so.6"]) }
        #expect(error.id == .llvmMissing && error.message.contains("libm.so.6 has no function LLVM"), "\(error.message)")
        // What was loaded before stays in use.
        try LLVMLibrary.load()
        #expect(try !HostTarget().triple.isEmpty)
    }

    @Test func theUserMayNameTheLibrary() {
        #expect(LLVMLibrary.candidates(["RECC_LLVM": "/opt/libLLVM.so"]) == ["/opt/libLLVM.so"])
        #expect(LLVMLibrary.candidates(["RECC_LLVM": ""]) == LLVMLibrary.candidates([:]))
        #expect(LLVMLibrary.candidates([:]).contains("libLLVM.so.19.1"))
    }

    /// Kept code is of the library that would compile it.
    @Test func librariesAreToldApart() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("libLLVM.so")
        try Data([1]).write(to: URL(fileURLWithPath: path))
        let one = LLVMLibrary.identity(["/nowhere/libLLVM.so", path])
        #expect(one.hasPrefix("\(path) 1 ") && LLVMLibrary.identity(["/nowhere/libLLVM.so", path]) == one)
        try Data([1, 2]).write(to: URL(fileURLWithPath: path))
        #expect(LLVMLibrary.identity([path]) != one)
        #expect(LLVMLibrary.identity(["libLLVM.so.19.1"]) != LLVMLibrary.identity(["libLLVM.so.18.1"]))
    }

    /// Plans are made without LLVM, and its code must fit them.
    @Test func llvmSeesTheSameMachine() throws {
        let target = try HostTarget()
        let features = Set(target.features.split(separator: ",").map(String.init))
        let bytes = features.contains("+avx512f") && features.contains("+avx512vl") ? 64 : features.contains("+avx2") ? 32 : 16
        #expect(target.machine.vectorBytes == bytes)
        switch target.machine.architecture {
        case .x86: #expect(target.triple.hasPrefix("x86_64"))
        case .arm: #expect(target.triple.hasPrefix("aarch64"))
        }
    }

    @Test func theMachineIsTheSameOnEveryCore() {
        let first = HostMachine()
        #expect(first.identity.contains { $0 != 0 } && first.name.contains("-"))
        for _ in 0..<200 {
            #expect(HostMachine() == first)
            sched_yield()
        }
    }
}
