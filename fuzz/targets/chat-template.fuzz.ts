/** A checkpoint's chat template, which is a program of a stranger. */
import { ChatTemplate } from '../../sdk/text/chat-template.ts';
import type { TextTarget } from '../engine/target.ts';

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
];

export const target: TextTarget = {
  name: 'chat-template',
  form: 'text',
  maxLength: 2048,
  seeds: [
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'x' }}{% endif %}",
    "{{ bos_token }}{% set ns = namespace(n=0) %}{% for m in messages if m.role != 'system' %}{% set ns.n = ns.n + 1 %}{{ m.content | trim | upper }}{% else %}none{% endfor %}{{ strftime_now('%d %b %Y') }}",
    "{% macro say(x, y=1) %}{{ x ~ y }}{% endmacro %}{{ say(messages[0]['content'][:2]) }}{% if tools is defined and tools %}{{ tools | tojson }}{% endif %}",
    "{% if messages | length > 5 %}{{ raise_exception('too long') }}{% endif %}{{ messages[-1].content.split(' ') | join('-') }}{{ range(3) | list }}",
  ],
  words: [
    '{{',
    '}}',
    '{%',
    '%}',
    '{%-',
    '-%}',
    ' | ',
    'tojson',
    'selectattr',
    'map',
    'length',
    'replace',
    'loop.index',
    'is none',
    'not',
    'in',
  ],
  refusals: ['bad_checkpoint', 'bad_request', 'unsupported'],
  decode(text) {
    return typeof new ChatTemplate(text, { bos_token: '<s>' }, () => new Date(0)).render(messages);
  },
};
