import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConversationEvent, conversation, messagesOf, type Turn } from './conversation.ts';

function play(...events: ConversationEvent[]): Turn[] {
  return events.reduce(conversation, []);
}

const failed: ConversationEvent = { type: 'failed', explanation: { title: 'No', advice: 'Again' } };

test('an answer grows with its text and ends with its figures', () => {
  const [turn] = play(
    { type: 'ask', question: 'What is WebGPU?' },
    { type: 'text', delta: 'WebGPU ', sinceAskedMs: 800 },
    { type: 'text', delta: 'computes.', sinceAskedMs: 900 },
    { type: 'done', reason: 'stop', tokens: 4, tokensPerSecond: 10, price: 7n, sinceAskedMs: 950 },
  );
  assert.equal(turn?.answer, 'WebGPU computes.');
  assert.deepEqual(turn?.status, {
    state: 'done',
    reason: 'stop',
    figures: { firstTokenMs: 800, tokens: 4, tokensPerSecond: 10, price: 7n },
  });
});

test('what comes after an answer has ended changes nothing', () => {
  const turns = play(
    { type: 'ask', question: 'a' },
    { type: 'stopped' },
    { type: 'text', delta: 'late', sinceAskedMs: 1 },
    failed,
  );
  assert.deepEqual(turns.at(-1)?.status, { state: 'stopped' });
  assert.equal(turns.at(-1)?.answer, '');
});

test('retry asks the last question again in its place', () => {
  const turns = play({ type: 'ask', question: 'a' }, { type: 'text', delta: 'half', sinceAskedMs: 1 }, failed, { type: 'retry' });
  assert.equal(turns.length, 1);
  assert.deepEqual(turns[0], { id: 1, question: 'a', answer: '', status: { state: 'waiting' } });
});

test('the model is sent answered turns and the last question, not what failed', () => {
  const turns = play(
    { type: 'ask', question: 'a' },
    { type: 'text', delta: 'A', sinceAskedMs: 1 },
    { type: 'done', reason: 'stop', tokens: 1, tokensPerSecond: 1, price: null, sinceAskedMs: 2 },
    { type: 'ask', question: 'b' },
    failed,
    { type: 'ask', question: 'c' },
  );
  assert.deepEqual(
    messagesOf(turns).map(({ role, content }) => `${role}: ${content}`),
    ['user: a', 'assistant: A', 'user: c'],
  );
});
