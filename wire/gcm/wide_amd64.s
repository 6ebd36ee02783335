#include "textflag.h"

// Operands are in the order of Go's assembler: the last one is written.

// Bytes of each lane in reverse order: between the order of the wire and numbers of 128 bits.
DATA reverse<>+0x00(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+0x08(SB)/8, $0x0001020304050607
DATA reverse<>+0x10(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+0x18(SB)/8, $0x0001020304050607
GLOBL reverse<>(SB), RODATA|NOPTR, $32

// Counters of the first vector: its two lanes are one apart.
DATA step1<>+0x00(SB)/8, $0
DATA step1<>+0x08(SB)/8, $0
DATA step1<>+0x10(SB)/8, $1
DATA step1<>+0x18(SB)/8, $0
GLOBL step1<>(SB), RODATA|NOPTR, $32

// From one vector of counters to the next.
DATA step2<>+0x00(SB)/8, $2
DATA step2<>+0x08(SB)/8, $0
DATA step2<>+0x10(SB)/8, $2
DATA step2<>+0x18(SB)/8, $0
GLOBL step2<>(SB), RODATA|NOPTR, $32

// The terms of x^128 + x^127 + x^126 + x^121 + 1 between the first and the last, in the reflected order of GHASH.
DATA poly<>+0x00(SB)/8, $0xc200000000000000
DATA poly<>+0x08(SB)/8, $0
GLOBL poly<>(SB), RODATA|NOPTR, $16

// func subWord(w uint32) uint32
TEXT ·subWord(SB), NOSPLIT, $0-12
	MOVL            w+0(FP), AX
	MOVL            AX, X0
	PSHUFD          $0, X0, X0
	AESKEYGENASSIST $0, X0, X0
	MOVL            X0, AX
	MOVL            AX, ret+8(FP)
	RET

// STATE makes the next two blocks of counters.
#define STATE(Y) \
	VPSHUFB Y10, Y8, Y \
	VPADDD  Y9, Y8, Y8

#define ROUND(OP) \
	OP Y11, Y0, Y0 \
	OP Y11, Y1, Y1 \
	OP Y11, Y2, Y2 \
	OP Y11, Y3, Y3 \
	OP Y11, Y4, Y4 \
	OP Y11, Y5, Y5 \
	OP Y11, Y6, Y6 \
	OP Y11, Y7, Y7

// LAST ends two blocks of key stream, the text joined in by way of the last round's key.
#define LAST(at, Y) \
	VPXOR       at(SI), Y11, Y12 \
	VAESENCLAST Y12, Y, Y \
	VMOVDQU     Y, at(DI)

// func ctr(keys *[15][16]byte, rounds int, counter *[16]byte, dst, src *byte, n int)
TEXT ·ctr(SB), NOSPLIT, $0-48
	MOVQ           keys+0(FP), AX
	MOVQ           rounds+8(FP), BX
	MOVQ           counter+16(FP), DX
	MOVQ           dst+24(FP), DI
	MOVQ           src+32(FP), SI
	MOVQ           n+40(FP), CX
	DECQ           BX
	VMOVDQU        reverse<>(SB), Y10
	VMOVDQU        step2<>(SB), Y9
	VBROADCASTI128 (DX), Y8
	VPSHUFB        Y10, Y8, Y8
	VPADDD         step1<>(SB), Y8, Y8

chunk:
	STATE(Y0)
	STATE(Y1)
	STATE(Y2)
	STATE(Y3)
	STATE(Y4)
	STATE(Y5)
	STATE(Y6)
	STATE(Y7)
	VBROADCASTI128 (AX), Y11
	ROUND(VPXOR)
	LEAQ           16(AX), R8
	MOVQ           BX, R9

round:
	VBROADCASTI128 (R8), Y11
	ROUND(VAESENC)
	ADDQ           $16, R8
	DECQ           R9
	JNZ            round

	VBROADCASTI128 (R8), Y11
	LAST(0x00, Y0)
	LAST(0x20, Y1)
	LAST(0x40, Y2)
	LAST(0x60, Y3)
	LAST(0x80, Y4)
	LAST(0xa0, Y5)
	LAST(0xc0, Y6)
	LAST(0xe0, Y7)
	ADDQ           $256, SI
	ADDQ           $256, DI
	SUBQ           $256, CX
	JNZ            chunk

	// The low lane is the next counter.
	VPSHUFB    Y10, Y8, Y8
	VMOVDQU    X8, (DX)
	VZEROUPPER
	RET

// REDUCE brings the product X0 + X1 x^64 + X2 x^128 back to 128 bits in X2. X15 is poly.
#define REDUCE \
	VPCLMULQDQ $0x00, X15, X0, X3 \
	VPSHUFD    $0x4e, X0, X0 \
	VPXOR      X0, X1, X1 \
	VPXOR      X3, X1, X1 \
	VPCLMULQDQ $0x00, X15, X1, X3 \
	VPSHUFD    $0x4e, X1, X1 \
	VPXOR      X1, X2, X2 \
	VPXOR      X3, X2, X2

// PRODUCT multiplies the two blocks of Y4 by the powers at(AX) and adds to Y0 (low), Y1 (middle) and Y2 (high). Karatsuba: the middle is
// that of the sums of halves, which are there for the powers already; what it has too much is taken off at the end.
#define PRODUCT(at) \
	VMOVDQU    at(AX), Y5 \
	VPSHUFD    $0x4e, Y4, Y6 \
	VPXOR      Y4, Y6, Y6 \
	VPCLMULQDQ $0x00, Y5, Y4, Y7 \
	VPXOR      Y7, Y0, Y0 \
	VPCLMULQDQ $0x11, Y5, Y4, Y7 \
	VPXOR      Y7, Y2, Y2 \
	VPCLMULQDQ $0x00, (at+256)(AX), Y6, Y7 \
	VPXOR      Y7, Y1, Y1

#define NEXT(at) \
	VMOVDQU at(SI), Y4 \
	VPSHUFB Y14, Y4, Y4 \
	PRODUCT(at)

// func ghash(powers *table, sum *[16]byte, p *byte, n int)
TEXT ·ghash(SB), NOSPLIT, $0-32
	MOVQ    powers+0(FP), AX
	MOVQ    sum+8(FP), DX
	MOVQ    p+16(FP), SI
	MOVQ    n+24(FP), CX
	VMOVDQU reverse<>(SB), Y14
	VMOVDQU poly<>(SB), X15
	VMOVDQU (DX), X8
	VPSHUFB X14, X8, X8

chunk:
	VPXOR   Y0, Y0, Y0
	VPXOR   Y1, Y1, Y1
	VPXOR   Y2, Y2, Y2
	VMOVDQU (SI), Y4
	VPSHUFB Y14, Y4, Y4
	VPXOR   Y8, Y4, Y4    // the high lane of Y8 is zero
	PRODUCT(0x00)
	NEXT(0x20)
	NEXT(0x40)
	NEXT(0x60)
	NEXT(0x80)
	NEXT(0xa0)
	NEXT(0xc0)
	NEXT(0xe0)
	VPXOR        Y0, Y1, Y1
	VPXOR        Y2, Y1, Y1
	VEXTRACTI128 $1, Y0, X3
	VPXOR        X3, X0, X0
	VEXTRACTI128 $1, Y1, X3
	VPXOR        X3, X1, X1
	VEXTRACTI128 $1, Y2, X3
	VPXOR        X3, X2, X2
	REDUCE
	VMOVDQA      X2, X8
	ADDQ         $256, SI
	SUBQ         $256, CX
	JNZ          chunk

	VPSHUFB    X14, X8, X8
	VMOVDQU    X8, (DX)
	VZEROUPPER
	RET

// func ghashBlocks(power, sum *[16]byte, p *byte, n int)
TEXT ·ghashBlocks(SB), NOSPLIT, $0-32
	MOVQ    power+0(FP), AX
	MOVQ    sum+8(FP), DX
	MOVQ    p+16(FP), SI
	MOVQ    n+24(FP), CX
	VMOVDQU reverse<>(SB), X14
	VMOVDQU poly<>(SB), X15
	VMOVDQU (AX), X5
	VMOVDQU (DX), X2
	VPSHUFB X14, X2, X2

block:
	VMOVDQU    (SI), X4
	VPSHUFB    X14, X4, X4
	VPXOR      X2, X4, X4
	VPCLMULQDQ $0x00, X5, X4, X0
	VPCLMULQDQ $0x01, X5, X4, X1
	VPCLMULQDQ $0x10, X5, X4, X3
	VPXOR      X3, X1, X1
	VPCLMULQDQ $0x11, X5, X4, X2
	REDUCE
	ADDQ       $16, SI
	SUBQ       $16, CX
	JNZ        block

	VPSHUFB    X14, X2, X2
	VMOVDQU    X2, (DX)
	VZEROUPPER
	RET
