#include "textflag.h"

// One pass over the 32 bytes in MSG: four words of key and message added, the even sums times the odd ones.
#define PASS(MSG, OFF, ACC, A, B) \
	VPADDD   OFF(BX), MSG, A \
	VPSRLQ   $32, A, B       \
	VPMULUDQ A, B, A         \
	VPADDQ   A, ACC, ACC

// The sum of the four lanes of ACC, to OFF(DI).
#define FOLD(ACC, ACCX, OFF) \
	VEXTRACTI128 $1, ACC, X9   \
	VPADDQ       X9, ACCX, X8  \
	VPSHUFD      $0xee, X8, X9 \
	VPADDQ       X9, X8, X8    \
	VMOVQ        X8, OFF(DI)

// func nhAVX2(sums *[4]uint64, k *nhKey, p *byte, n int)
TEXT ·nhAVX2(SB), NOSPLIT, $0-32
	MOVQ  sums+0(FP), DI
	MOVQ  k+8(FP), BX
	MOVQ  p+16(FP), SI
	MOVQ  n+24(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	SUBQ  $64, CX
	JL    last

pair:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	PASS(Y4, 0, Y0, Y6, Y7)
	PASS(Y4, 16, Y1, Y8, Y9)
	PASS(Y4, 32, Y2, Y10, Y11)
	PASS(Y4, 48, Y3, Y12, Y13)
	PASS(Y5, 32, Y0, Y6, Y7)
	PASS(Y5, 48, Y1, Y8, Y9)
	PASS(Y5, 64, Y2, Y10, Y11)
	PASS(Y5, 80, Y3, Y12, Y13)
	ADDQ $64, SI
	ADDQ $64, BX
	SUBQ $64, CX
	JGE  pair

last:
	ADDQ $64, CX
	JZ   fold
	VMOVDQU (SI), Y4
	PASS(Y4, 0, Y0, Y6, Y7)
	PASS(Y4, 16, Y1, Y8, Y9)
	PASS(Y4, 32, Y2, Y10, Y11)
	PASS(Y4, 48, Y3, Y12, Y13)

fold:
	FOLD(Y0, X0, 0)
	FOLD(Y1, X1, 8)
	FOLD(Y2, X2, 16)
	FOLD(Y3, X3, 24)
	VZEROUPPER
	RET
