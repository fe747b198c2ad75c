/** How severities look: shape, letter and colour, so that colour alone never tells. */
import type { Level } from './api/types';

export const LETTER: Record<Level, string> = { critical: 'C', high: 'H', medium: 'M', low: 'L', info: 'I' };
export const NAME: Record<Level, string> = {
  critical: 'Critical',
  high: 'High',
  medium: 'Medium',
  low: 'Low',
  info: 'Info',
};
/** Paths in a box of 10 × 10: square, triangle, disc, ring, bar. */
export const SHAPE: Record<Level, string> = {
  critical: 'M.8.8h8.400v8.400h-8.400z',
  high: 'M5 .6 9.700 9.300H.3z',
  medium: 'M5 .9a4.100 4.100 0 1 1 0 8.200a4.100 4.100 0 1 1 0-8.200z',
  low: 'M5 .9a4.100 4.100 0 1 1 0 8.200a4.100 4.100 0 1 1 0-8.200zM5 2.900a2.100 2.100 0 1 0 0 4.200a2.100 2.100 0 1 0 0-4.200z',
  info: 'M.8 3.900h8.400v2.200h-8.400z',
};
