import { expect, test } from 'vitest';
import { inForce } from './quiet';

test('in every mode it is said on how many nodes a suppression is in force', () => {
  expect(inForce('hide', { nodes: 3, of: 3 }, '0.4 s')).toMatchObject({
    text: 'Quiet on 3/3 nodes in 0.4 s',
    kind: 'done',
  });
  expect(inForce('stop', { nodes: 3, of: 3 }, '0.4 s')).toMatchObject({ text: 'Active on 3/3 nodes in 0.4 s' });
  expect(inForce('hide', { nodes: 1, of: 3 }, '10 s')).toMatchObject({
    text: 'Quiet here, and on 1/3 nodes so far',
    kind: 'error',
  });
  expect(inForce('limit', { nodes: 1, of: 3 }, '10 s').text).toBe('Active on 1/3 nodes so far');
});

test('without nodes the manager hides all the same, and nothing else holds', () => {
  expect(inForce('hide', { nodes: 0, of: 0 }, '0.1 s')).toMatchObject({ text: 'Quiet from now on', kind: 'done' });
  expect(inForce('stop', { nodes: 0, of: 0 }, '0.1 s')).toMatchObject({ text: 'In force on no node', kind: 'error' });
});
