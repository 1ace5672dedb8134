/* What a firmware test wants to know of the simulated pump chip and board.h does not tell. */
#include "atmega32u4.h"
#include "board.h"

/* Things done that the datasheet forbids, and accesses to registers that the chip does not have. */
uint64_t pump_faults(const struct board *board)
{
    const struct mega *pump = board_pump(board);
    return pump->misuse + pump->unknown + pump->avr.illegal;
}
