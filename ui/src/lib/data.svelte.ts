/** Questions to the manager that several components ask, with how long the answers hold. */
import { createQuery, QueryClient } from '@tanstack/svelte-query';
import { ApiError, api } from './api/client';
import { session } from './api/session.svelte';
import type { View } from './api/types';

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      refetchOnWindowFocus: false,
      // What will not go better by itself is not asked again.
      retry: (times, error) => times < 2 && error instanceof ApiError && error.passing,
      retryDelay: (times, error) =>
        error instanceof ApiError && error.retryAfter ? error.retryAfter * 1000 : 800 * 2 ** times,
    },
  },
});

const enabled = () => session.state === 'signed-in';
/** Nodes and sinks are not for everybody: who may not see them does not ask. */
const everywhere = () => enabled() && session.everywhere;

export const useNodes = () =>
  createQuery(() => ({
    queryKey: ['nodes', session.epoch],
    queryFn: api.nodes,
    refetchInterval: 15_000,
    enabled: everywhere(),
  }));
export const useInspections = () =>
  createQuery(() => ({
    queryKey: ['inspections', session.epoch],
    queryFn: api.inspections,
    refetchInterval: 30_000,
    enabled: enabled(),
  }));
export const useSinks = () =>
  createQuery(() => ({
    queryKey: ['sinks', session.epoch],
    queryFn: api.sinks,
    refetchInterval: 15_000,
    enabled: everywhere(),
  }));
export const useBlindSpots = (range: () => { from: string; to: string }) =>
  createQuery(() => {
    const asked = range();
    return {
      queryKey: ['blind-spots', asked, session.epoch],
      queryFn: () => api.blindSpots(asked),
      refetchInterval: 60_000,
      enabled: enabled(),
    };
  });
export const useFields = () =>
  createQuery(() => ({
    queryKey: ['fields', session.epoch],
    queryFn: api.fields,
    staleTime: Infinity,
    enabled: enabled(),
  }));
export const useViews = () =>
  createQuery(() => ({
    queryKey: ['views', session.epoch],
    queryFn: api.views,
    staleTime: 60_000,
    enabled: enabled(),
  }));
/** One's own among the views that one sees: only these are one's to change. */
export const ownViews = (views: readonly View[] | undefined): View[] =>
  (views ?? []).filter((view) => view.owner === undefined || view.owner === session.me?.user);
export const useTuning = () =>
  createQuery(() => ({
    queryKey: ['tuning', session.epoch],
    queryFn: api.tuning,
    refetchInterval: 10_000,
    enabled: enabled(),
  }));
// What a question is about is read when it is put together, never when it is sent: a repetition would ask for what is
// shown by then, and keep the answer under the old name.
export const useGroup = (id: () => string | null) =>
  createQuery(() => {
    const group = id();
    return {
      queryKey: ['group', group, session.epoch],
      queryFn: () => api.group(group ?? ''),
      enabled: enabled() && group !== null,
      staleTime: 5000,
    };
  });
export const useEvent = (id: () => string | null) =>
  createQuery(() => {
    const event = id();
    return {
      queryKey: ['event', event, session.epoch],
      queryFn: () => api.event(event ?? ''),
      enabled: enabled() && event !== null,
      staleTime: Infinity,
    };
  });
